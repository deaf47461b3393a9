//! The model of a rollout: that two servers are enough, what it says of KMS plugins against real chains, and the
//! mistakes in carrying a change out.
#![expect(clippy::unwrap_used, reason = "a test's helper fails its test")]

use k8senc::chain::{Answer, Chain, WriteKey};
use k8senc::crypto::PORTABLE;
use k8senc::kms::{DekRequest, DekTable, EncryptAnswer, KmsState, WriteSource};
use k8senc::secret::SecretBytes;
use k8senc_config::{
    Config, Count, Event, Facts, GroupResource, Inventory, Options, Replacement, RewriteBy,
    Rollout, Unreadable, Version, hazards, refused, validate,
};

const SECRETS: [&str; 3] = [
    "pU3KGCUwux1tEyze1iN7LtkeP3IfyxlxF0SU1kk8nVw=",
    "NGC+MSAeaf7aoO7ouZl/XHwpmf2v5ZMlPNZUr0361xQ=",
    "uSlFgrrkn5SPYTyI1TIXSWPqfP7+Kv6ZC3AxcDN6wkk=",
];

fn text(providers: &[String]) -> String {
    format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{}]\n",
        providers.join(", ")
    )
}

fn config(providers: &[String]) -> Config {
    Config::parse(text(providers).as_bytes()).unwrap()
}

fn local(kind: &str, name: &str, secret: usize) -> String {
    let secret = SECRETS.get(secret).unwrap();
    format!("{{{kind}: {{keys: [{{name: {name}, secret: {secret}}}]}}}}")
}

fn kms(version: &str, name: &str, socket: &str) -> String {
    format!("{{kms: {{apiVersion: {version}, name: {name}, endpoint: 'unix:///{socket}'}}}}")
}

fn id() -> String {
    "{identity: {}}".to_owned()
}

/// Provider, key, key_id, live, history.
type Group<'g> = (&'g str, Option<&'g str>, Option<&'g str>, u64, u64);

fn counted(groups: &[Group<'_>]) -> Inventory {
    let mut inventory = Inventory::new();
    for (provider, key, key_id, live, history) in groups {
        let count = Count {
            live: *live,
            history: *history,
        };
        let secrets = GroupResource::parse("secrets");
        inventory
            .add_group(secrets, provider, *key, *key_id, count)
            .unwrap();
    }
    inventory
}

fn knowing(set: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = Facts::default();
    set(&mut facts);
    facts
}

fn codes(old: &Config, new: Option<&Config>, facts: &Facts) -> Vec<&'static str> {
    hazards(old, new, facts).iter().map(|h| h.code).collect()
}

/// Lists of providers whose pairs hold every kind of mistake.
fn files() -> Vec<Config> {
    let lists = [
        vec![id()],
        vec![local("secretbox", "a", 0)],
        vec![local("secretbox", "a", 0), local("secretbox", "b", 1), id()],
        vec![local("secretbox", "b", 1), local("secretbox", "a", 0), id()],
        vec![local("secretbox", "a", 2), id()],
        vec![local("aescbc", "a", 1), local("aescbc", "a", 0)],
        vec![id(), local("aescbc", "a", 0)],
        vec![kms("v1", "p", "s1"), id()],
        vec![kms("v2", "p", "s1"), id()],
        vec![kms("v2", "q", "s1"), kms("v1", "p", "s1")],
        vec![kms("v2", "q", "s2"), kms("v2", "p", "s1"), id()],
        vec![local("secretbox", "a", 0), kms("v2", "p", "s1"), id()],
    ];
    lists.iter().map(|list| config(list)).collect()
}

#[test]
fn two_servers_show_every_mistake_that_three_and_four_do() {
    let files = files();
    let (mut good, mut bad) = (0, 0);
    for old in &files {
        for new in &files {
            for (reload, outage) in [(false, false), (true, false), (false, true), (true, true)] {
                let mut rollout = Rollout::new(old, new);
                rollout.reload = reload;
                rollout.outage = outage;
                let of = |servers| match rollout.check_with(servers) {
                    Ok(_) => None,
                    Err(found) => Some((found.events.len(), found.why)),
                };
                let two = of(2);
                assert_eq!(two, of(3), "{:?}", rollout.check());
                if !outage {
                    assert_eq!(two, of(4), "{:?}", rollout.check());
                }
                assert_eq!(two.is_some(), rollout.check().is_err());
                if two.is_some() { bad += 1 } else { good += 1 }
            }
        }
    }
    assert!(good > 50 && bad > 200, "{good} {bad}");
}

#[test]
fn one_server_does_not_show_what_two_do() {
    let (old, new) = (config(&[id()]), config(&[local("secretbox", "a", 0), id()]));
    let rollout = Rollout::new(&old, &new);
    assert!(rollout.check_with(1).is_ok());
    assert!(rollout.check_with(2).is_err());
}

#[test]
fn a_first_encryption_with_the_key_first_hurts_several_servers_alone() {
    let new = config(&[local("secretbox", "key1", 0), id()]);
    for old in [config(&[id()]), Config::without_file()] {
        let mut facts = Facts::default();
        let found = hazards(&old, Some(&new), &facts);
        let early = found.iter().find(|h| h.code == "K8D03").unwrap();
        assert_eq!(early.severity.name(), "error");
        facts.servers = 1;
        let found = hazards(&old, Some(&new), &facts);
        let early = found.iter().find(|h| h.code == "K8D03").unwrap();
        assert_eq!(early.severity.name(), "warning");
        let story = Rollout::new(&old, &new).check().unwrap_err().to_string();
        assert!(story.contains("server B, still on the old file, cannot read what server A wrote with secretbox key key1"), "{story}");
    }
    // As a later reader it hurts nobody.
    let later = config(&[id(), local("secretbox", "key1", 0)]);
    let old = config(&[id()]);
    assert!(Rollout::new(&old, &later).check().is_ok());
    assert!(!codes(&old, Some(&later), &Facts::default()).contains(&"K8D03"));
}

#[test]
fn two_plugins_go_down_apart_and_together() {
    let file = config(&[kms("v2", "p", "s1"), kms("v2", "q", "s2"), id()]);
    let p = counted(&[("kms-v2", Some("p"), None, 1, 0)]);
    let mut rollout = Rollout::new(&file, &file);
    rollout.stored = Some(&p);
    let down = ["q".to_owned()];
    rollout.down = &down;
    // Nothing is stored under q, and nobody writes with it.
    assert!(rollout.check().is_ok());
    let down = ["p".to_owned()];
    rollout.down = &down;
    assert_eq!(rollout.check().unwrap_err().why, Unreadable::PluginDown);
    // One socket behind both: they go down together.
    let shared = config(&[kms("v2", "p", "s1"), kms("v2", "q", "s1"), id()]);
    let mut rollout = Rollout::new(&shared, &shared);
    rollout.stored = Some(&p);
    let down = ["q".to_owned()];
    rollout.down = &down;
    assert_eq!(rollout.check().unwrap_err().why, Unreadable::PluginDown);
}

#[test]
fn a_seed_first_used_in_an_outage_is_its_writers_alone() {
    // Nothing is stored under the plugin yet, so a restart by itself loses nothing.
    let old = config(&[local("secretbox", "a", 0), kms("v2", "p", "s"), id()]);
    let new = config(&[kms("v2", "p", "s"), local("secretbox", "a", 0), id()]);
    let plain = counted(&[("secretbox", Some("a"), None, 1, 0)]);
    let mut rollout = Rollout::new(&old, &new);
    rollout.stored = Some(&plain);
    assert!(rollout.check().is_ok());
    rollout.outage = true;
    let found = rollout.check().unwrap_err();
    assert_eq!(found.why, Unreadable::PluginDown);
    let shape: Vec<&str> = found
        .events
        .iter()
        .map(|e| match e {
            Event::Takes(_) => "takes",
            Event::Writes(..) => "writes",
            Event::Down(_) => "down",
            _ => "other",
        })
        .collect();
    assert_eq!(shape, ["takes", "down", "writes"]);
    assert_ne!(Some(found.server), found.author);
}

/// A value as a server with this chain writes it, and the question that reading it asks.
fn sealed(chain: &Chain, v2: bool, seed: u8) -> (Vec<u8>, DekRequest, SecretBytes) {
    let secret = SecretBytes::new(vec![seed; 32]);
    let random = [seed; 64];
    let stored = if v2 {
        let answer = EncryptAnswer {
            ciphertext: vec![seed; 40],
            key_id: "id".to_owned(),
            annotations: std::collections::BTreeMap::new(),
        };
        let mut source = WriteSource::seed(&PORTABLE, &secret, answer).unwrap();
        chain.seal(b"{}", b"/k", &random, WriteKey::KmsV2(&mut source))
    } else {
        let encrypted_dek = &[seed; 40];
        chain.seal(b"{}", b"/k", &random, WriteKey::KmsV1 { encrypted_dek })
    };
    let stored = stored.unwrap();
    let request = chain.requests(&stored).next().unwrap();
    (stored, request, secret)
}

/// What the model says of a KMS that is down, against chains with a table as full as the server's memory.
#[test]
fn memory_of_deks_decides_as_in_the_real_chain() {
    let secrets = GroupResource::parse("secrets");
    let mut read = 0;
    for version in ["v1", "v2"] {
        let v2 = version == "v2";
        for identity_first in [false, true] {
            let mut list = vec![kms(version, "p", "s"), id()];
            if identity_first {
                list.reverse();
            }
            let writer = config(&[kms(version, "p", "s")])
                .chain(&secrets, &PORTABLE)
                .unwrap();
            let file = config(&list);
            let chain = file.chain(&secrets, &PORTABLE).unwrap();
            let (stored, request, dek) = sealed(&writer, v2, 7);
            for (known, ready) in [(true, true), (false, true), (true, false), (false, false)] {
                let mut memory = DekTable::new();
                if known {
                    memory.supply(&request, SecretBytes::from_slice(dek.expose()));
                } else {
                    memory.refuse(&request, "down".to_owned());
                }
                if !ready {
                    memory.set_state("p", KmsState::NeverHealthy);
                }
                let opens = matches!(chain.open(&stored, b"/k", &memory), Ok(Answer::Opened(_)));
                // The model: a server that was running knows; one that restarted while the plugin was down does not.
                let inventory =
                    counted(&[(if v2 { "kms-v2" } else { "kms-v1" }, Some("p"), None, 1, 0)]);
                let down = ["p".to_owned()];
                let mut rollout = Rollout::new(&file, &file);
                rollout.stored = Some(&inventory);
                rollout.down = &down;
                let found = rollout.check().unwrap_err();
                let restarted = found.events.iter().any(|e| matches!(e, Event::Restarts(_)));
                assert!(restarted && found.why == Unreadable::PluginDown);
                assert_eq!(opens, known && (ready || !v2), "{version} {known} {ready}");
                read += usize::from(opens);
            }
        }
    }
    assert_eq!(read, 6);
}

#[test]
fn a_kek_that_stored_objects_name_is_disabled() {
    let file = config(&[kms("v2", "p", "s"), id()]);
    let mut facts = knowing(|f| {
        f.stored = Some(counted(&[
            ("kms-v2", Some("p"), Some("old"), 0, 3),
            ("kms-v2", Some("p"), Some("now"), 5, 0),
        ]));
        f.disabled_key_ids = vec!["now".to_owned()];
    });
    let found = hazards(&file, Some(&file), &facts);
    assert_eq!((found.len(), found.first().unwrap().code), (1, "K8D14"));
    assert_eq!(found.first().unwrap().severity.name(), "error");
    facts.disabled_key_ids = vec!["old".to_owned()];
    let found = hazards(&file, Some(&file), &facts);
    assert_eq!(found.first().unwrap().severity.name(), "warning");
    facts.disabled_key_ids = vec!["other".to_owned()];
    assert_eq!(codes(&file, Some(&file), &facts), [""; 0]);
    facts.stored = None;
    assert_eq!(codes(&file, Some(&file), &facts), ["K8D14"]);
}

#[test]
fn a_rewrite_begins_too_soon_or_all_at_once() {
    let with_kms = config(&[kms("v2", "p", "s"), id()]);
    let without = config(&[local("secretbox", "a", 0), id()]);
    let mut facts = knowing(|f| {
        f.rewrite_after_seconds = Some(179);
    });
    assert_eq!(codes(&with_kms, Some(&with_kms), &facts), ["K8D15"]);
    assert_eq!(codes(&without, Some(&without), &facts), [""; 0]);
    facts.rewrite_after_seconds = Some(180);
    assert_eq!(codes(&with_kms, Some(&with_kms), &facts), [""; 0]);
    facts.plugin_delay_seconds = 30;
    assert_eq!(codes(&with_kms, Some(&with_kms), &facts), ["K8D15"]);

    let many = knowing(|f| {
        f.stored = Some(counted(&[("secretbox", Some("a"), None, 5_000, 0)]));
        f.rewrite_by = Some(RewriteBy::Kubectl);
    });
    assert_eq!(codes(&without, Some(&without), &many), ["K8D16"]);
    for (live, by) in [
        (5_000, RewriteBy::Parts),
        (5_000, RewriteBy::Migration),
        (4_999, RewriteBy::Kubectl),
    ] {
        let facts = knowing(|f| {
            f.stored = Some(counted(&[("secretbox", Some("a"), None, live, 0)]));
            f.rewrite_by = Some(by);
        });
        assert_eq!(codes(&without, Some(&without), &facts), [""; 0]);
    }
}

#[test]
fn a_refused_file_waits_for_the_next_restart() {
    let good = text(&[local("secretbox", "a", 0)]);
    let bad = good.replace("secretbox", "secretbux");
    let mut options = Options::default();
    options.version = Version::LATEST;
    let verdict = validate(bad.as_bytes(), &options);
    let found = refused(&verdict, true).unwrap();
    assert_eq!((found.code, found.severity.name()), ("K8D17", "error"));
    assert!(found.message.contains("the next restart fails"));
    let found = refused(&verdict, false).unwrap();
    assert!(found.message.contains("does not start"));
    assert!(refused(&validate(good.as_bytes(), &options), true).is_none());
}

#[test]
fn a_polled_file_is_written_in_place() {
    let file = config(&[local("secretbox", "a", 0)]);
    let mut facts = knowing(|f| {
        f.reload = true;
        f.replacement = Some(Replacement::InPlace);
    });
    assert_eq!(codes(&file, Some(&file), &facts), ["K8D18"]);
    facts.replacement = Some(Replacement::Renamed);
    assert_eq!(codes(&file, Some(&file), &facts), [""; 0]);
    facts.replacement = Some(Replacement::InPlace);
    facts.reload = false;
    assert_eq!(codes(&file, Some(&file), &facts), [""; 0]);
}

#[test]
fn a_file_is_taken_away_by_what_is_counted() {
    let plain = config(&[id(), local("secretbox", "a", 0)]);
    let severity = |file: &Config, facts: &Facts| {
        let found = hazards(file, None, facts);
        found
            .iter()
            .find(|h| h.code == "K8D11")
            .unwrap()
            .severity
            .name()
    };
    let mut facts = Facts::default();
    assert_eq!(severity(&plain, &facts), "error");
    facts.stored = Some(counted(&[("secretbox", Some("a"), None, 1, 0)]));
    assert_eq!(severity(&plain, &facts), "error");
    facts.stored = Some(counted(&[
        ("identity", None, None, 4, 0),
        ("secretbox", Some("a"), None, 0, 9),
    ]));
    assert_eq!(severity(&plain, &facts), "warning");
    let encrypting = config(&[local("secretbox", "a", 0), id()]);
    assert_eq!(severity(&encrypting, &facts), "error");
}
