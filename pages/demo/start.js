"use strict";
// Looks whether the page can run at all and says what to do if it cannot; else starts main.js.
(() => {
  // A function that makes a vector of 16 bytes, the smallest program with SIMD.
  const SIMD = [
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11,
  ];

  function obstacle() {
    if (location.protocol === "file:") {
      const folder = decodeURIComponent(location.pathname).split("/").slice(-2)[0] || "demo";
      return "A browser lets no page of the file system load models. Type this in the folder above, " +
        `and open http://localhost:8000: python -m http.server -d ${folder}`;
    }
    if (typeof WebAssembly !== "object") {
      return "This browser has no WebAssembly, or it is switched off: use another one, or allow it.";
    }
    if (!WebAssembly.validate(new Uint8Array(SIMD))) {
      return "This browser has no WebAssembly SIMD, with which models are computed: use one from " +
        "2024 or later (Chrome or Edge 123, Firefox 120, Safari 17.5).";
    }
    return "";
  }

  function tell(text) {
    const alarm = document.getElementById("alarm");
    alarm.textContent = text;
    alarm.hidden = false;
    document.querySelector("main").hidden = true;
  }

  const text = obstacle();
  if (text) tell(text);
  else {
    import("./main.js").catch((error) =>
      tell(`The page cannot start (${error.message}): build it again with scripts/build_demo.py.`));
  }
})();
