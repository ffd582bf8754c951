//! nginx as it would be set up for this: kept connections to the app, no access log, one worker a core.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::{process, process::Running, server};
use crate::system;

pub(super) struct Nginx {
    pub(super) process: Running,
    pub(super) port: u16,
    folder: std::path::PathBuf,
}

impl Nginx {
    /// Forwards to a Unix socket, setting some headers as the gateway does.
    pub(super) fn start(socket: &Path, headers: &[(&str, &str)]) -> Result<Self> {
        let program = system::ensure_program(&["nginx"], "nginx-light")?;
        let port = process::free_port()?;
        let folder = server::folder()?.join(format!("nginx-{port}"));
        std::fs::create_dir_all(&folder)?;
        let workers = std::thread::available_parallelism()?;
        let mut set = String::new();
        for (name, value) in headers {
            let _ = writeln!(set, "      proxy_set_header {name} \"{value}\";");
        }
        let text = format!(
            "user root;\nworker_processes {workers};\ndaemon off;\npid nginx.pid;\nerror_log error.log crit;\n\
             events {{ worker_connections 1024; }}\nhttp {{\n  access_log off;\n  keepalive_requests 100000000;\n  \
             client_body_temp_path body;\n  proxy_temp_path proxy;\n  fastcgi_temp_path f;\n  uwsgi_temp_path u;\n  \
             scgi_temp_path s;\n  upstream app {{ server unix:{}; keepalive 128; keepalive_requests 100000000; }}\n  \
             server {{\n    listen 127.0.0.1:{port};\n    location / {{\n      proxy_pass http://app;\n      \
             proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n{set}    }}\n  }}\n}}\n",
            socket.display()
        );
        std::fs::write(folder.join("nginx.conf"), text)?;
        let mut command = Command::new(program);
        command
            .arg("-p")
            .arg(&folder)
            .args(["-c", "nginx.conf", "-e", "error.log"]);
        let process = Running::start(&mut command)?;
        process::wait_for("nginx", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Ok(Self {
            process,
            port,
            folder,
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
