//! Requests a second and CPU time a request, each service beside its peer.

use std::collections::{HashMap, hash_map::Entry};

use anyhow::Result;

use super::service::{Kind, Service, sign_in};
use crate::bench::{
    Bench,
    load::{self, Load, Rounds},
    process,
    statistics::Spread,
    table::Row,
};

const CONNECTIONS: usize = 32;

struct Comparison {
    what: &'static str,
    ours: Kind,
    peer: Kind,
    rounds: usize,
    bar: &'static str,
}

const COMPARISONS: &[Comparison] = &[
    Comparison {
        what: "a route with CurrentUser (stateful, reading the event stream)",
        ours: Kind::Ours,
        peer: Kind::Plain,
        rounds: 11,
        bar: "≥ 0.90, ≤ 25 µs of CPU added",
    },
    Comparison {
        what: "for comparison: a route with an empty dependency",
        ours: Kind::Empty,
        peer: Kind::Plain,
        rounds: 7,
        bar: "",
    },
    Comparison {
        what: "a route with CurrentUser",
        ours: Kind::Ours,
        peer: Kind::Empty,
        rounds: 7,
        bar: "",
    },
    Comparison {
        what: "a route with CurrentUser",
        ours: Kind::Ours,
        peer: Kind::PyJwt,
        rounds: 5,
        bar: "",
    },
    Comparison {
        what: "a route with CurrentUser",
        ours: Kind::Ours,
        peer: Kind::Stateless,
        rounds: 5,
        bar: "≥ 3",
    },
    Comparison {
        what: "a route with CurrentUser",
        ours: Kind::Ours,
        peer: Kind::Stateful,
        rounds: 5,
        bar: "≥ 20",
    },
    Comparison {
        what: "create_app with everything on, CurrentUser",
        ours: Kind::OursApp,
        peer: Kind::Plain,
        rounds: 7,
        bar: "",
    },
    Comparison {
        what: "create_app with everything on, CurrentUser",
        ours: Kind::OursApp,
        peer: Kind::StatelessApp,
        rounds: 5,
        bar: "",
    },
    Comparison {
        what: "the drop-in's CurrentUser, asking about each token",
        ours: Kind::DropIn,
        peer: Kind::Stateful,
        rounds: 5,
        bar: "",
    },
    Comparison {
        what: "the drop-in's CurrentUser, reading the event stream",
        ours: Kind::DropInFeed,
        peer: Kind::Stateless,
        rounds: 5,
        bar: "",
    },
    Comparison {
        what: "the drop-in's create_app, reading the event stream",
        ours: Kind::DropInApp,
        peer: Kind::StatelessApp,
        rounds: 5,
        bar: "",
    },
];

pub(in crate::bench) fn measure(bench: &mut Bench) -> Result<()> {
    bench.issuer()?;
    let (programs, issuer) = (&bench.programs, bench.issuer.as_ref().expect("it runs"));
    let member = issuer.home.account("member", "user")?;
    let token = sign_in(issuer, &member)?.token;
    let bearer = format!("Bearer {token}");
    let request = load::get("127.0.0.1", "/me", &[("authorization", &bearer)]);
    let mut services: HashMap<Kind, Service> = HashMap::new();
    for comparison in COMPARISONS {
        for kind in [comparison.ours, comparison.peer] {
            if let Entry::Vacant(place) = services.entry(kind) {
                place.insert(Service::start(kind, issuer, &token)?);
            }
        }
        let run = |kind: Kind, rounds: &mut Rounds| -> Result<()> {
            let service = &services[&kind];
            let load = Load {
                port: service.port,
                requests: vec![request.clone()],
                connections: CONNECTIONS,
                seconds: 2,
                pace: 0,
            };
            let before = service.cpu()?;
            let outcome = load.run(programs)?;
            rounds.add(outcome, service.cpu()? - before);
            Ok(())
        };
        let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
        for round in 0..comparison.rounds {
            // Who comes first alternates, so that neither gains from a machine that calms down or warms up.
            if round % 2 == 0 {
                run(comparison.ours, &mut ours)?;
                run(comparison.peer, &mut peer)?;
            } else {
                run(comparison.peer, &mut peer)?;
                run(comparison.ours, &mut ours)?;
            }
        }
        let mut what = comparison.what.to_owned();
        if comparison.peer == Kind::Plain {
            let added = Spread::difference(&ours.cpu_us, &peer.cpu_us);
            what = format!("{what}; CPU added {} µs", added.show(1));
        }
        let what = format!("{what}; load average {}", process::load_average());
        let peer_shown = format!("{} {}", comparison.peer.name(), peer.show());
        bench.table.add(
            Row::new(what, ours.show(), comparison.bar)
                .against(peer_shown)
                .ratio(&Spread::ratio(&ours.rate, &peer.rate)),
        );
    }
    Ok(())
}
