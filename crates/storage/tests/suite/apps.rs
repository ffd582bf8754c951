//! Apps, releases, members, invitations and groups.

use ::apps::{DataMode, Invite, Member, Release, ReleaseState};
use ids::{AppId, GroupId, InviteId};
use storage::{Error, Group};

use crate::fixtures::{account, app, later, owner_and_app, store, t0, unique};

const WEEK: i64 = 7 * 24 * 3600;

fn release(app: AppId, owner: ids::AccountId) -> Release {
    Release {
        app,
        version: 0,
        state: ReleaseState::Publishing,
        source_digest: "ab".repeat(32),
        plan: "{}".into(),
        message: Some("first".into()),
        created_by: owner,
        created_at: t0(),
        activated_at: None,
    }
}

on_both_engines! {
    async fn an_app_reads_back_as_it_was_stored(db) {
        let storage = db.open().await;
        let (owner, mut notes) = owner_and_app(&storage).await;
        let (id, slug) = (notes.id, notes.slug.clone());
        assert_eq!(storage.read(move |tx| tx.apps().find(id)).await, Ok(Some(notes.clone())));
        assert_eq!(storage.read(move |tx| tx.apps().find_by_slug(&slug)).await, Ok(Some(notes.clone())));
        (notes.is_public, notes.requires_auth, notes.live_version) = (true, false, Some(3));
        let changed = notes.clone();
        storage.write(move |tx| tx.apps().update(&changed)).await.unwrap();
        assert_eq!(storage.scan(move |tx| tx.apps().list_by_owner(owner.id)).await, Ok(vec![notes.clone()]));
        assert_eq!(storage.scan(|tx| tx.apps().list_public()).await, Ok(vec![notes.clone()]));
        assert_eq!(storage.scan(|tx| tx.apps().list()).await, Ok(vec![notes]));
    }

    async fn a_slug_is_held_for_seven_days_after_its_app_was_deleted(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let mut again = app(owner.id, "notes");
        let taken = Err(Error::Conflict { what: "slug" });
        let copy = again.clone();
        assert_eq!(storage.write(move |tx| tx.apps().insert(&copy)).await, taken);
        storage.write(move |tx| tx.apps().delete(notes.id, t0())).await.unwrap();
        let slug = notes.slug.clone();
        assert_eq!(storage.read(move |tx| tx.apps().find_by_slug(&slug)).await, Ok(None));
        assert_eq!(storage.read(move |tx| tx.apps().find(notes.id)).await, Ok(None));
        assert_eq!(
            storage.write(move |tx| tx.apps().delete(notes.id, t0())).await,
            Err(Error::NotFound { what: "app" })
        );
        again.created_at = later(WEEK - 1);
        let copy = again.clone();
        assert_eq!(storage.write(move |tx| tx.apps().insert(&copy)).await, taken);
        let mut other = app(owner.id, "other");
        let copy = other.clone();
        storage.write(move |tx| tx.apps().insert(&copy)).await.unwrap();
        (other.slug, other.updated_at) = (notes.slug, later(WEEK - 1));
        assert_eq!(storage.write(move |tx| tx.apps().update(&other)).await, taken);
        again.created_at = later(WEEK);
        storage.write(move |tx| tx.apps().insert(&again)).await.unwrap();
    }

    async fn a_purged_app_takes_everything_along(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let id = notes.id;
        storage
            .write(move |tx| {
                tx.releases().insert(&release(id, owner.id))?;
                let put = tx.kv().put(
                    id,
                    kv::Namespace::Public,
                    "k",
                    "1",
                    storage::Expected::Any,
                    t0(),
                    storage::KvLimits { keys: 9, bytes: 99 },
                )?;
                assert!(matches!(put, storage::Put::Written { .. }));
                tx.apps().delete(id, t0())
            })
            .await
            .unwrap();
        assert_eq!(storage.write(|tx| tx.apps().purge_deleted(t0(), 9)).await, Ok(vec![]));
        assert_eq!(storage.write(|tx| tx.apps().purge_deleted(later(1), 9)).await, Ok(vec![id]));
        assert_eq!(storage.scan(move |tx| tx.releases().list(id)).await, Ok(vec![]));
        assert_eq!(storage.read(move |tx| tx.kv().usage(id)).await, Ok(kv::Usage::default()));
        assert_eq!(storage.read(move |tx| tx.kv().exists(id, kv::Namespace::Public, "k")).await, Ok(false));
    }

    async fn releases_are_counted_up_within_their_app(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let id = notes.id;
        let tries: Vec<_> = (0..5)
            .map(|_| {
                let storage = storage.clone();
                let insert = move |tx: &mut storage::Tx| tx.releases().insert(&release(id, owner.id));
                tokio::spawn(async move { storage.write(insert).await.unwrap() })
            })
            .collect();
        let mut versions = Vec::new();
        for attempt in tries {
            versions.push(attempt.await.unwrap());
        }
        versions.sort_unstable();
        assert_eq!(versions, [1, 2, 3, 4, 5]);
        assert_eq!(storage.scan(|tx| tx.releases().list_publishing()).await.map(|all| all.len()), Ok(5));
        let failed = ReleaseState::Failed { stage: "build".into(), message: "no such package".into() };
        let state = failed.clone();
        storage
            .write(move |tx| {
                tx.releases().update_state(id, 1, &state)?;
                tx.releases().update_state(id, 2, &ReleaseState::Ready)?;
                tx.releases().update_plan(id, 2, r#"{"entry":"main:app"}"#)?;
                tx.releases().set_live(id, 2, later(9))
            })
            .await
            .unwrap();
        let found = |version| storage.read(move |tx| tx.releases().find(id, version));
        assert_eq!(found(1).await.unwrap().unwrap().state, failed);
        let two = found(2).await.unwrap().unwrap();
        let wanted = Release {
            version: 2,
            state: ReleaseState::Ready,
            plan: r#"{"entry":"main:app"}"#.into(),
            activated_at: Some(later(9)),
            ..release(id, owner.id)
        };
        assert_eq!(two, wanted);
        assert_eq!(found(9).await, Ok(None));
        let app = storage.read(move |tx| tx.apps().find(id)).await.unwrap().unwrap();
        assert_eq!((app.live_version, app.updated_at), (Some(2), later(9)));
        let list = storage.scan(move |tx| tx.releases().list(id)).await.unwrap();
        assert_eq!(list.iter().map(|release| release.version).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
        assert_eq!(
            storage.write(move |tx| tx.releases().set_live(id, 9, t0())).await,
            Err(Error::NotFound { what: "release" })
        );
    }

    async fn a_member_has_one_place_that_can_be_changed_and_taken_away(db) {
        let storage = db.open().await;
        let (_, notes) = owner_and_app(&storage).await;
        let bob = account("bob");
        store(&storage, &[&bob]).await;
        let (app, person) = (notes.id, bob.id);
        let mut member = Member {
            app,
            account: person,
            group: GroupId::new(1, unique()),
            mode: DataMode::OwnCopy,
            invited: false,
            created_at: t0(),
            last_seen_at: None,
        };
        let copy = member.clone();
        storage.write(move |tx| tx.members().upsert(&copy)).await.unwrap();
        assert_eq!(storage.scan(move |tx| tx.apps().list_shared_with(person)).await, Ok(vec![notes]));
        (member.mode, member.invited) = (DataMode::Join, true);
        let copy = member.clone();
        storage.write(move |tx| tx.members().upsert(&copy)).await.unwrap();
        assert_eq!(storage.write(move |tx| tx.members().touch_seen(app, person, later(3))).await, Ok(true));
        member.last_seen_at = Some(later(3));
        assert_eq!(storage.read(move |tx| tx.members().find(app, person)).await, Ok(Some(member.clone())));
        assert_eq!(storage.scan(move |tx| tx.members().list(app)).await, Ok(vec![member]));
        storage.write(move |tx| tx.members().remove(app, person)).await.unwrap();
        assert_eq!(
            storage.write(move |tx| tx.members().remove(app, person)).await,
            Err(Error::NotFound { what: "member" })
        );
        assert_eq!(storage.write(move |tx| tx.members().touch_seen(app, person, t0())).await, Ok(false));
    }

    async fn an_invitation_is_open_until_taken_up_taken_back_or_expired(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let app = notes.id;
        let mut invites: Vec<Invite> = (0..3_u8)
            .map(|n| Invite {
                id: InviteId::new(1, unique()),
                app,
                email: "eve@example.com".into(),
                token_digest: [n; 32],
                mode: DataMode::Join,
                created_by: owner.id,
                created_at: t0(),
                expires_at: later(60),
                accepted_at: None,
                revoked_at: None,
            })
            .collect();
        let copies = invites.clone();
        storage.write(move |tx| copies.iter().try_for_each(|invite| tx.invites().insert(invite))).await.unwrap();
        let open = |now| storage.read(move |tx| tx.invites().find_open_by_email("eve@example.com", now));
        assert_eq!(open(t0()).await, Ok(invites.clone()));
        assert_eq!(open(later(60)).await, Ok(vec![]));
        invites[0].accepted_at = Some(later(1));
        invites[1].revoked_at = Some(later(1));
        let copies = invites.clone();
        storage.write(move |tx| copies.iter().try_for_each(|invite| tx.invites().update(invite))).await.unwrap();
        assert_eq!(open(t0()).await, Ok(vec![invites[2].clone()]));
        assert_eq!(storage.read(|tx| tx.invites().find_by_digest([1; 32])).await, Ok(Some(invites[1].clone())));
        let id = invites[0].id;
        assert_eq!(storage.read(move |tx| tx.invites().find(id)).await, Ok(Some(invites[0].clone())));
        assert_eq!(storage.scan(move |tx| tx.invites().list(app)).await, Ok(invites));
    }

    async fn share_groups_carry_a_label(db) {
        let storage = db.open().await;
        let (owner, notes) = owner_and_app(&storage).await;
        let mut group = Group {
            id: GroupId::new(1, unique()),
            app: notes.id,
            account: Some(owner.id),
            label: "Ada and the owner".into(),
            created_at: t0(),
        };
        let copy = group.clone();
        storage.write(move |tx| tx.groups().insert(&copy)).await.unwrap();
        let id = group.id;
        storage.write(move |tx| tx.groups().rename(id, "Ada")).await.unwrap();
        group.label = "Ada".into();
        assert_eq!(storage.read(move |tx| tx.groups().find(id)).await, Ok(Some(group.clone())));
        assert_eq!(storage.scan(move |tx| tx.groups().list(notes.id)).await, Ok(vec![group]));
    }
}
