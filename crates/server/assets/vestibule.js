// Comfort for every signed-in page. Each part is optional: the pages work without it.
import "./copy.js";
import "./dialog.js";
import "./menu.js";
import "./theme.js";
