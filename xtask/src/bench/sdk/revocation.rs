//! From a logout or a change of role at the issuer to the first request that the service refuses.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::connection::Connection;
use super::service::{Caller, Kind, Service, sign_in};
use crate::bench::{
    Bench, http,
    load::{self, Load},
    process,
    server::{Owner, Server},
    statistics::Spread,
    table::Row,
};

/// How often each is done.
const TIMES: usize = 200;
/// How often each is done while the service is under load.
const TIMES_UNDER_LOAD: usize = 40;

pub(in crate::bench) fn measure(bench: &mut Bench) -> Result<()> {
    bench.issuer()?;
    let (programs, issuer) = (&bench.programs, bench.issuer.as_ref().expect("it runs"));
    let leaver = issuer.home.account("leaver", "user")?;
    let superuser = sign_in(issuer, &issuer.owner)?;
    let stays = sign_in(issuer, &issuer.owner)?;
    let service = Service::start(Kind::Ours, issuer, &stays.token)?;
    let trial = Trial {
        issuer,
        service: &service,
        leaver,
        superuser,
    };
    let logouts = trial.repeat(TIMES, Deed::Logout)?;
    bench.table.add(row("a logout", TIMES, &logouts));
    let changes = trial.repeat(TIMES, Deed::ChangeOfRole)?;
    bench.table.add(row("a change of role", TIMES, &changes));
    let bearer = format!("Bearer {}", stays.token);
    let load = Load {
        port: service.port,
        requests: vec![load::get("127.0.0.1", "/me", &[("authorization", &bearer)])],
        connections: 32,
        seconds: 10,
        pace: 0,
    };
    let (outcome, under_load) =
        load.beside(programs, || trial.repeat(TIMES_UNDER_LOAD, Deed::Logout))?;
    let what = format!("a logout, the service at {:.0} requests/s,", outcome.rate);
    bench.table.add(row(&what, TIMES_UNDER_LOAD, &under_load));
    Ok(())
}

fn row(what: &str, times: usize, latencies: &Spread) -> Row {
    Row::new(
        format!(
            "from the answer to {what} to the first refusal, {times} times; load average {}",
            process::load_average()
        ),
        format!(
            "p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            latencies.median(),
            latencies.quantile(0.99),
            latencies.quantile(1.0)
        ),
        "p99 < 1 s",
    )
}

#[derive(Clone, Copy)]
enum Deed {
    Logout,
    ChangeOfRole,
}

struct Trial<'a> {
    issuer: &'a Server,
    service: &'a Service,
    leaver: Owner,
    superuser: Caller,
}

impl Trial<'_> {
    fn repeat(&self, times: usize, deed: Deed) -> Result<Spread> {
        let roles = ["writer", "user"];
        (0..times)
            .map(|time| {
                let caller = sign_in(self.issuer, &self.leaver)?;
                self.latency(&caller.token, || match deed {
                    Deed::Logout => self.log_out(&caller),
                    Deed::ChangeOfRole => self.change_role(&caller, roles[time % 2]),
                })
            })
            .collect()
    }

    /// Milliseconds from the end of the deed until the token, shown to the service without a pause, is refused.
    fn latency(&self, token: &str, deed: impl FnOnce() -> Result<()>) -> Result<f64> {
        let bearer = format!("Bearer {token}");
        let request = load::get("127.0.0.1", "/me", &[("authorization", &bearer)]);
        let mut connection = Connection::open(self.service.port, request)?;
        let accepted = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let shows = scope.spawn(|| -> Result<Instant> {
                let deadline = Instant::now() + Duration::from_secs(20);
                loop {
                    let status = connection.ask()?;
                    let answered = Instant::now();
                    if status == 401 {
                        // Refused once, refused for good.
                        for _ in 0..5 {
                            ensure!(connection.ask()? == 401, "a refused token is good again");
                        }
                        return Ok(answered);
                    }
                    ensure!(status == 200, "the service answered {status}");
                    ensure!(answered < deadline, "the token is still good after 20 s");
                    accepted.fetch_add(1, Ordering::Relaxed);
                }
            });
            process::wait_for("the service's answers", || {
                accepted.load(Ordering::Relaxed) >= 5 || shows.is_finished()
            })?;
            let done = deed().map(|()| Instant::now());
            let refused = shows.join().expect("asking does not panic")?;
            // A refusal may be there before the issuer's answer is.
            Ok(refused.saturating_duration_since(done?).as_secs_f64() * 1e3)
        })
    }

    fn log_out(&self, caller: &Caller) -> Result<()> {
        self.ask("POST", "/user/login/logout/", &caller.token, "")
    }

    fn change_role(&self, caller: &Caller, role: &str) -> Result<()> {
        let path = format!("/user/users/update/{}/", caller.id);
        let body = serde_json::json!({ "role": role }).to_string();
        self.ask("PATCH", &path, &self.superuser.token, &body)
    }

    fn ask(&self, method: &str, path: &str, token: &str, body: &str) -> Result<()> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        let host = self.issuer.shell_host();
        let answer = http::send(self.issuer.port, method, &host, path, &headers, body)
            .with_context(|| format!("{method} {path}"))?;
        ensure!(
            answer.status == 200,
            "{method} {path} was answered {}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    }
}
