//! Which process this is: a number that changes when Python forks, and that costs no system call to read.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::{prelude::*, types::PyDict, wrap_pyfunction};

static GENERATION: AtomicU32 = AtomicU32::new(0);

/// How often this process and its ancestors have forked on the way here.
pub(crate) fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}

/// Has Python tell of each fork, in the child and before anything else of ours runs there.
pub(crate) fn watch_forks(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let hooks = PyDict::new(py);
    hooks.set_item("after_in_child", wrap_pyfunction!(forked, module)?)?;
    let os = py.import("os")?;
    if os.hasattr("register_at_fork")? {
        os.call_method("register_at_fork", (), Some(&hooks))?;
    }
    Ok(())
}

#[pyfunction]
fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}
