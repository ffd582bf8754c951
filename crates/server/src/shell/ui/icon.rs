//! The icon set: our own line drawings on a 24-unit grid, inlined so that nothing loads and nothing shifts.

use std::fmt;

use askama::filters::HtmlSafe;

macro_rules! icons {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        /// A drawing beside a word. It says nothing by itself, so screen readers skip it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Icon { $($(#[$doc])* $name),* }

        impl Icon {
            const fn path(self) -> &'static str {
                match self { $(Self::$name => $path),* }
            }
        }
    };
}

icons! {
    /// Back to where one came from.
    Back = "M15 5l-7 7 7 7";
    /// Opens what follows.
    Chevron = "M9 5l7 7-7 7";
    /// A menu opens below.
    Down = "M6 9.5l6 6 6-6";
    /// Copies a text.
    Copy = "M9 9h10v11H9zM15 9V5.5A.5.5 0 0 0 14.5 5H5.5a.5.5 0 0 0-.5.5v9a.5.5 0 0 0 .5.5H9";
    /// It worked.
    Check = "M4.5 12.5l5 5 10-11";
    /// Closes or takes away.
    Cross = "M6 6l12 12M18 6L6 18";
    /// Something to know.
    Info = "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 11v5.5M12 7.6v.1";
    /// Read this.
    Warning = "M12 4L2.8 20h18.4zM12 10v4.5M12 17.2v.1";
    /// Leaves this tab.
    Outside = "M13 5h6v6M19 5l-9 9M10 6H5v13h13v-5";
    /// People.
    People = "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.4-4 3-6 6.5-6s6.1 2 6.5 6M16 4.3a3.5 3.5 0 0 1 0 6.4M17.5 14.3c2.3.7 3.7 2.6 4 5.7";
    /// Gives to others.
    Share = "M12 15V3.5M8 7l4-3.8L16 7M6 11H4.5v9.5h15V11H18";
    /// Past versions.
    History = "M4 12a8 8 0 1 0 2.5-5.8L4 8.5M4 4v4.5h4.5M12 8v4.3l3 1.7";
    /// Lines of output.
    Lines = "M4 6h16M4 10.7h11M4 15.3h16M4 20h8";
    /// Settings, details.
    Sliders = "M4 7h9M19 7h1M4 17h1M11 17h9M16 9.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM8 19.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z";
    /// Finds.
    Search = "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.5 15.5L20.5 20.5";
    /// A sign-in is needed.
    Lock = "M6 11h12v9.5H6zM8.5 11V7.5a3.5 3.5 0 0 1 7 0V11";
    /// No sign-in is needed.
    Open = "M6 11h12v9.5H6zM8.5 11V7.5a3.5 3.5 0 0 1 6.7-1.4";
    /// Listed for everyone.
    Globe = "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM3 12h18M12 3c2.6 2.5 3.9 5.5 3.9 9s-1.3 6.5-3.9 9c-2.6-2.5-3.9-5.5-3.9-9S9.4 5.5 12 3z";
    /// One person.
    User = "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20.5c.5-4.3 3.3-6.5 7.5-6.5s7 2.2 7.5 6.5";
    /// Leaves the session.
    Leave = "M10 4H5v16h5M15 8l4 4-4 4M19 12H9.5";
    /// A device.
    Screen = "M3.5 5h17v11h-17zM9 20h6M12 16v4";
    /// A terminal.
    Terminal = "M3.5 4.5h17v15h-17zM7 9l3 3-3 3M12.5 15H17";
    /// Follows the system's theme.
    Auto = "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 3v18M12 7h7.4M12 12h8.9M12 17h7.4";
    /// The light theme.
    Sun = "M12 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12 2.5v1.5M12 20v1.5M2.5 12H4M20 12h1.5M5.3 5.3l1 1M17.7 17.7l1 1M5.3 18.7l1-1M17.7 6.3l1-1";
    /// The dark theme.
    Moon = "M20 14.5A8.3 8.3 0 0 1 9.5 4a8.3 8.3 0 1 0 10.5 10.5z";
    /// Stops for a while.
    Pause = "M8.5 5.5v13M15.5 5.5v13";
    /// Starts again.
    Restart = "M20 12a8 8 0 1 1-2.5-5.8L20 8.5M20 4v4.5h-4.5";
    /// Gone for good.
    Bin = "M4.5 7h15M9 7V4h6v3M6.5 7l1 13.5h9l1-13.5M10 11v5.5M14 11v5.5";
    /// A password.
    Key = "M8 16.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM12.5 12h9M18 12v3.5";
    /// A door: nothing here yet.
    Door = "M7 20.5V9a5 5 0 0 1 10 0v11.5M4 20.5h16M13.7 14v.1";
}

impl fmt::Display for Icon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"<svg class="icon" viewBox="0 0 24 24" width="18" height="18" aria-hidden="true"><path d="{}"/></svg>"#,
            self.path()
        )
    }
}

impl HtmlSafe for Icon {}
