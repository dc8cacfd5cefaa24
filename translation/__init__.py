"""A trained run for any picture, from Python and for `translate.py`:

from translation import Translator

translate = Translator.from_run("checkpoints/quickstart", masks="auto:quickstart_masks")
result = translate("photo.png")
result.save("translated.png")
"""

from translation.result import Result
from translation.translator import Translator

__all__ = ["Result", "Translator"]
