//! Whatever happens to accounts, sessions, the wire and the server: once everything was told, the table and the issuer say
//! the same of every token.

use std::hash::{BuildHasher as _, RandomState};

use accounts::Role;
use serde_json::{Value, json};
use server::actions::accounts as deeds;
use testkit::{HeldTokens, Person};
use vestibule_client::Judgement;

use crate::fixture::World;

/// A small generator of numbers; a failed run is repeated with its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

struct Somebody {
    person: Person,
    is_active: bool,
    is_writer: bool,
}

#[tokio::test]
async fn the_table_and_the_issuer_agree_whatever_happened_on_the_way() {
    let seed = RandomState::new().hash_one(0) | 1;
    let mut random = Random(seed);
    let mut world = World::new().await;
    let root = world.server.person_of("rootina", Role::Superadmin).await;
    let root = world.server.access_token(&root).await;
    let mut people = Vec::new();
    for name in ["ben", "cleo", "dora"] {
        let person = world.server.person(name).await;
        people.push(Somebody {
            person,
            is_active: true,
            is_writer: false,
        });
    }
    // Each with whether it is the latest of its session.
    let mut tokens: Vec<(HeldTokens, bool)> = Vec::new();
    let mut deeds_done = Vec::new();
    for step in 0..120 {
        let somebody = random.below(people.len());
        let some_token = random.below(tokens.len().max(1));
        let deed = random.below(20);
        deeds_done.push((deed, somebody, some_token));
        let server = &world.server;
        let update = async |person: &Person, body: Value| {
            let path = format!("/user/users/update/{}/", person.id);
            server
                .call("PATCH", &path, Some(&root), Some(body))
                .await
                .expect(200);
        };
        let one = &mut people[somebody];
        match deed {
            0..=5 if one.is_active => tokens.push((server.issue_tokens(&one.person).await, true)),
            6..=8 if !tokens.is_empty() && tokens[some_token].1 => {
                let held = &tokens[some_token].0;
                if server.is_active(&world.service, held).await {
                    let renewed = server.refresh_tokens(held).await;
                    tokens[some_token].1 = false;
                    tokens.push((renewed, true));
                }
            }
            9..=11 if !tokens.is_empty() && tokens[some_token].1 => {
                let held = &tokens[some_token].0;
                if server.is_active(&world.service, held).await {
                    server.log_out(held).await;
                }
            }
            12 => {
                one.is_writer = !one.is_writer;
                let role = if one.is_writer { "writer" } else { "user" };
                update(&one.person, json!({ "role": role })).await;
            }
            13 => {
                one.is_active = !one.is_active;
                update(&one.person, json!({ "is_active": one.is_active })).await;
            }
            14 if one.is_active => {
                one.person.token = server.sign_in(&one.person).await;
                let caller = server.caller(&one.person).await;
                deeds::sign_out_everywhere(server.context(), &caller)
                    .await
                    .unwrap();
            }
            15 | 16 => world.proxy.cut(),
            17 => world.proxy.break_after(random.below(3000)),
            18 => world.proxy.refuse(),
            19 if random.below(4) == 0 => {
                world.server = world.server.restart().await;
                world.proxy.aim(world.server.server().public_address());
            }
            _ => {}
        }
        if step % 12 != 11 {
            continue;
        }
        world.proxy.break_after(usize::MAX);
        world.proxy.aim(world.server.server().public_address());
        // The last thing that happened: when it is known, everything is.
        let last = world.issue().await;
        world.server.log_out(&last).await;
        world.follower.until_revoked(&last).await;
        world.follower.until_current().await;
        for (held, _) in &tokens {
            let is_active = world.server.is_active(&world.service, held).await;
            let expected = if is_active {
                Judgement::Good
            } else {
                Judgement::Revoked
            };
            assert_eq!(
                world.follower.judge(held),
                expected,
                "seed {seed}, step {step}: {} of {}; {deeds_done:?}",
                held.claim("jti"),
                held.claim("email"),
            );
        }
    }
    assert_eq!(world.follower.feed.status().gaps, 0);
}
