//! Every name of the platform that appears in Python source, said once.

/// The module with the gate.
pub(crate) const AUTH_MODULE: &str = "vestibule_auth";
/// The function that wires the gate into a `FastAPI` object.
pub(crate) const INIT_FUNCTION: &str = "init_vestibule_auth";
/// The ASGI class in [`AUTH_MODULE`] that gates any ASGI app it is given.
pub(crate) const GATE_CLASS: &str = "VestibuleGate";
/// The generated module that serves a wrapped app, and its attribute.
pub(crate) const ENTRY_MODULE: &str = "vestibule_entry";
/// The attribute of [`ENTRY_MODULE`] that is served.
pub(crate) const ENTRY_ATTRIBUTE: &str = "app";
/// Modules and functions that wire the gate, in every spelling an app may use.
pub(crate) const INIT_FUNCTIONS: &[&str] = &[
    "vestibule_auth.init_vestibule_auth",
    "vestibule_auth.init_ellivate_auth",
    "ellivate_auth.init_ellivate_auth",
    "ellivate_auth.init_vestibule_auth",
];
/// Import names of the SDK; each is a file the platform drops, none is a package to install.
pub(crate) const SDK_MODULES: &[&str] = &[
    "vestibule",
    "ellivate",
    "vestibule_client",
    "ellivate_client",
    "vestibule_auth",
    "ellivate_auth",
];
/// Comment behind the lines the platform adds to a user's file.
pub(crate) const WIRED_COMMENT: &str = "# vestibule:wired";
/// Start of the first line of each generated file.
pub(crate) const GENERATED_PREFIX: &str = "# vestibule:generated ";
/// What a user writes to waive a rule on a line.
pub(crate) const ALLOW_COMMENT: &str = "vestibule: allow ";
/// Paths the platform keeps for itself on the app's host.
pub(crate) const RESERVED_PATHS: &[&str] =
    &["/vestibule-handoff", "/ellivate-handoff", "/.vestibule"];

/// Whether `module` is one of the platform's own.
pub(crate) fn is_sdk(module: &str) -> bool {
    let top = module.split('.').next().unwrap_or(module);
    SDK_MODULES.contains(&top) || top == ENTRY_MODULE
}
