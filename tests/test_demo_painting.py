"""The page of scripts/build_demo.py without models: painting, keys, the focus, samples."""

from types import SimpleNamespace

import pytest
from demo_page import (  # noqa: F401, fixtures
    FILES,
    address,
    areas,
    drag,
    expect,
    give,
    page,
    saved,
    shows,
    tells,
    without_models,
)

# ruff: noqa: F811, fixtures are named like what was imported


@pytest.fixture(scope="module")
def place(without_models):
    return without_models


# ---- painting


def test_every_change_can_be_undone(place, page):
    give(page, place, "r", FILES)
    box = page.locator("#stage").bounding_box()
    at = SimpleNamespace(
        left=box["x"] + 15, top=box["y"] + 15, right=box["x"] + 200, bottom=box["y"] + 150
    )
    seen = [areas(page)]
    assert seen == [[49, 169, 100, 121]]
    changes = [  # each with the number of instances after it
        (4, lambda: drag(page, [(at.left, at.top), (at.right, at.bottom)])),
        (
            4,
            lambda: (page.keyboard.press("e"), drag(page, [(at.left, at.top), (at.right, at.top)])),
        ),
        (3, lambda: page.click("[aria-label='delete instance 2']")),
        (4, lambda: page.keyboard.press("n")),
        (4, lambda: outline(page, at)),
        (5, lambda: page.set_input_files("#load-file", str(place / "data/testA_seg/x_1.png"))),
    ]
    for count, change in changes:
        change()
        expect(page.locator("#instances li")).to_have_count(count)
        seen.append(areas(page))
        assert seen[-1] != seen[-2]
    assert seen[-1][-1] == 169
    for expected in reversed(seen[:-1]):
        page.keyboard.press("Control+z")
        assert areas(page) == expected
    assert page.locator("#undo").is_disabled()
    for expected in seen[1:]:
        page.keyboard.press("Control+Shift+Z")
        assert areas(page) == expected
    assert page.locator("#redo").is_disabled()


def outline(page, at) -> None:
    """A triangle, closed by Enter."""
    page.keyboard.press("o")
    for x, y in ((at.left, at.top), (at.right, at.top), (at.left, at.bottom)):
        page.mouse.click(x, y)
    page.focus("#stage")
    page.keyboard.press("Enter")


def test_a_stroke_ends_with_its_picture(place, page):
    """One that is still drawn when another picture is opened paints nothing there."""
    give(page, place, "r", ["testA/x.png"])
    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.set_input_files("#open-file", str(place / "data/testA/y.png"))
    shows(page, "y")
    page.mouse.move(box["x"] + 90, box["y"] + 60)
    page.mouse.up()
    assert areas(page) == [0] and page.locator("#undo").is_disabled()


HISTORY = """async (sizes) => {
  const { History } = await import("./history.js");
  const history = new History(() => {}), undone = [];
  sizes.forEach((bytes, i) => history.make(() => {}, () => undone.push(i), bytes));
  while (history.done.length) history.undo();
  return undone;
}"""


def test_changes_are_forgotten_by_number_and_by_bytes(page):
    assert page.evaluate(HISTORY, [1] * 103) == [*range(102, 2, -1)]
    assert page.evaluate(HISTORY, [1, 200e6, 50e6, 6e6]) == [3, 2, 1]
    assert page.evaluate(HISTORY, [1, 900e6]) == [1]


STROKES = """async () => {
  const { Instances } = await import("./instances.js");
  const instances = new Instances(document.createElement("div"), () => {});
  instances.open({ width: 60, height: 40 });
  instances.begin();
  instances.line({ x: 0, y: 20 }, { x: 60, y: 20 }, 80, false);
  instances.end();
  instances.delete(instances.list[0]);
  return instances.history.done.map(({ bytes }) => bytes);
}"""


def test_changes_know_their_bytes(page):
    """Of a stroke the pixels before and after it, of an instance its canvas and its mask."""
    assert page.evaluate(STROKES) == [2 * 4 * 60 * 40, (4 + 1) * 60 * 40]


# ---- the focus, for those who use the keyboard


def focus(page) -> str:
    """The id or the label of what has the focus; '' if nothing has."""
    return page.evaluate(
        "document.activeElement.id || document.activeElement.getAttribute('aria-label') || ''"
    )


def test_the_focus_stays_where_it_is(place, page):
    give(page, place, "r", FILES)
    page.focus("[aria-label^='instance 2']")
    page.keyboard.press("Enter")
    assert focus(page) == "instance 2, 169 pixels"
    page.focus("[aria-label='delete instance 3']")
    for left in ("delete instance 3", "delete instance 2", "delete instance 1", "add"):
        page.keyboard.press("Enter")
        assert focus(page) == left
    page.focus("#undo")
    for _ in range(4):
        assert focus(page) == "undo"
        page.keyboard.press("Enter")
    assert areas(page) == [49, 169, 100, 121] and focus(page) == "redo"
    page.focus("#translate")
    page.keyboard.press("Enter")
    tells(page, "cannot be loaded")
    assert focus(page) == "translate"
    page.keyboard.press("o")
    for x, y in ((2, 2), (80, 2), (2, 80)):
        page.click("#stage", position={"x": x, "y": y})
    page.focus("#close-outline")
    page.keyboard.press("Enter")
    assert focus(page) == "stage"


# ---- samples


def test_the_last_sample_that_is_chosen_is_shown(place, page):
    held = []
    page.route("**/samples/0.png", lambda route: held.append(route))
    first, second = page.locator("#sample-list button").all()
    first.click()
    second.click()
    shows(page, "y")
    with page.expect_response("**/samples/0.png"):
        held[0].continue_()
    page.wait_for_timeout(200)
    shows(page, "y")
    assert areas(page) == [25] and second.get_attribute("aria-pressed") == "true"


# ---- by keys, and on a phone


def test_painting_by_keys_alone(place, page):
    give(page, place, "r", ["testA/x.png"])
    assert areas(page) == [0]
    page.focus("#stage")
    page.keyboard.press("Space")
    once = areas(page)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    assert 0 < once[0] < areas(page)[0]
    page.keyboard.press("Control+Enter")
    tells(page, "models/r.onnx cannot be loaded")


def test_on_a_phone(place, address, chromium):
    """Nothing is wider than the screen, and a finger paints."""
    size = {"width": 360, "height": 740}
    context = chromium.new_context(viewport=size, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector("#sample-list button")
    give(tab, place, "r", ["testA/x.png"])
    assert tab.evaluate("document.documentElement.scrollWidth") <= 360
    tab.locator("#stage").scroll_into_view_if_needed()
    tab.locator("#stage").tap()
    assert areas(tab)[0] > 0
    context.close()


# ---- what stands in the way


def test_what_stands_in_the_way_is_said(place, address, chromium):
    tab = chromium.new_page()
    tab.goto((place / "demo/index.html").as_uri())
    assert "python -m http.server -d demo" in tab.inner_text("#alarm")
    tab.add_init_script("WebAssembly.validate = () => false")
    tab.goto(address)
    assert "SIMD" in tab.inner_text("#alarm") and not tab.is_visible("#translate")
    tab.close()
