//! Every transcript of a KMS provider under a fake clock, replayed: the calls and their times, the health texts, what is
//! written and how reads are judged.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test's helper fails its test"
)]

use std::time::Duration;

use k8senc::{
    Error,
    chain::{Answer, Chain, WriteKey},
    crypto::PORTABLE,
    kms::{
        DekTable, EncryptAnswer, KmsV1, KmsV2, StatusAnswer, WriteSource,
        probe_v1::{PING, StepV1},
        state::{SEED_LEN, Step},
    },
    secret::SecretBytes,
};
use k8senc_config::{Config, GroupResource};
use k8senc_vectors::{ApiVersion, Cause, Happened, StateCase, StateEvent, Written};

const ETCD_KEY: &[u8] = b"/registry/secrets/default/a";
/// The wall clock at the start of every transcript, 2000-01-01T00:00:00Z.
const START: Duration = Duration::from_secs(946_684_800);
/// How long Status takes in the one transcript where that takes time.
const SLOW: Duration = Duration::from_secs(20);

fn chain(case: &StateCase) -> Chain {
    let file = match case.api_version {
        ApiVersion::V1 => "configs/kmsv1.yaml",
        ApiVersion::V2 => "configs/kmsv2.yaml",
    };
    let config = Config::parse(&k8senc_vectors::file(file)).unwrap();
    config
        .chain(&GroupResource::parse("secrets"), &PORTABLE)
        .unwrap()
}

fn seq(from: u8, len: u8) -> Vec<u8> {
    (0..len).map(|i| from + i).collect()
}

fn toy_wrap(secret: &[u8]) -> Vec<u8> {
    b"kek:"
        .iter()
        .copied()
        .chain(secret.iter().map(|b| b ^ 0x5a))
        .collect()
}

fn text(error: &Error) -> String {
    error
        .upstream()
        .unwrap_or_else(|| format!("no text: {error:?}"))
}

fn texts(result: Result<(), Error>) -> Result<(), String> {
    result.map_err(|e| text(&e))
}

/// A machine in the middle of a transcript.
struct Replay<'a> {
    case: &'a StateCase,
    machine: KmsV2,
    chain: Chain,
    /// Where the background has been driven to.
    clock: Duration,
    /// The Status call that the background is in, since when.
    status_out: Option<Duration>,
    /// The answer a health request waits for, or has got.
    health: Option<Step>,
    /// Encrypt is due, for this cause.
    encrypt_out: Option<Cause>,
}

impl Replay<'_> {
    fn delay(&self) -> Duration {
        if self.case.id == "slow-status" {
            SLOW
        } else {
            Duration::ZERO
        }
    }

    /// Lets the background run up to `now`, into the next call at most.
    fn run_to(&mut self, now: Duration) {
        while self.status_out.is_none() && self.encrypt_out.is_none() {
            match self.machine.poll(self.clock) {
                Step::Status => self.status_out = Some(self.clock),
                Step::Wait { until } if until <= now => self.clock = until,
                Step::Wait { .. } => return,
                other => panic!("the background got {other:?}"),
            }
        }
    }

    fn step(&mut self, by: Cause, step: Step) {
        match step {
            Step::Encrypt => self.encrypt_out = Some(by),
            Step::Done(_) if by != Cause::Health => {}
            done @ Step::Done(_) => self.health = Some(done),
            other => panic!("after an answer came {other:?}"),
        }
    }

    fn event(&mut self, event: &StateEvent) {
        let now = START + Duration::from_millis(event.at_ms);
        self.run_to(now);
        let called = match &event.what {
            Happened::Status { by, .. } => *by != Cause::Health,
            Happened::Encrypt { .. } => true,
            Happened::Start => return,
            _ => false,
        };
        if !called {
            assert_eq!(
                self.encrypt_out, None,
                "Encrypt is due, upstream did not call it"
            );
            if let Some(since) = self.status_out {
                assert!(
                    since + self.delay() > now,
                    "Status at {since:?}, upstream made no such call"
                );
            }
        }
        match &event.what {
            Happened::Status { by, answer } => {
                match by {
                    Cause::Start | Cause::Loop => {
                        let since = self
                            .status_out
                            .take()
                            .unwrap_or_else(|| panic!("upstream calls Status, we do not"));
                        assert_eq!(since + self.delay(), now, "when Status was called");
                    }
                    Cause::Health => assert_eq!(self.machine.health(now), Step::Status),
                }
                // While a call is out, all others wait.
                assert_eq!(self.machine.poll(now), Step::Pending);
                assert_eq!(self.machine.health(now), Step::Pending);
                let answer = answer.clone().map(|a| StatusAnswer {
                    version: a.version,
                    healthz: a.healthz,
                    key_id: a.key_id,
                });
                let step = self.machine.status_answered(now, answer);
                self.clock = now;
                self.step(*by, step);
            }
            Happened::Encrypt { by, input, answer } => {
                assert_eq!(self.encrypt_out.take(), Some(*by), "who calls Encrypt");
                assert_eq!(input.len(), SEED_LEN);
                let answer = answer.clone().map(|a| EncryptAnswer {
                    ciphertext: a.ciphertext,
                    key_id: a.key_id,
                    annotations: a.annotations,
                });
                let seed = SecretBytes::from_slice(input);
                let step = self.machine.encrypt_answered(now, &seed, "<UID>", answer);
                self.clock = now;
                self.step(*by, step);
            }
            Happened::Health(expected) => {
                let step = self
                    .health
                    .take()
                    .unwrap_or_else(|| self.machine.health(now));
                let Step::Done(result) = step else {
                    panic!("upstream answers from its cache, we do {step:?}");
                };
                let shown = texts(result).map_err(|e| format!("kms-provider-0: {e}"));
                assert_eq!(&shown, expected, "health");
            }
            Happened::Write(expected) => {
                let random = expected.as_ref().map_or(&[][..], |w| &w.random);
                let ours = self.machine.write_source(now).and_then(|source| {
                    let key = WriteKey::KmsV2(source);
                    self.chain.seal(b"{}\n", ETCD_KEY, random, key)
                });
                let ours = ours.map_err(|e| text(&e));
                let expected = expected
                    .as_ref()
                    .map(|Written { stored, .. }| stored.clone());
                assert_eq!(ours, expected.map_err(Clone::clone), "write");
            }
            Happened::Read { key_id, stale } => assert_eq!(&self.read(key_id), stale, "read"),
            other => panic!("{other:?} is not of KMS v2"),
        }
    }

    /// Reads a good seed value of this key_id: the DEK 00..1f, wrapped by the toy plugin.
    fn read(&self, key_id: &str) -> Result<bool, String> {
        let seed = SecretBytes::from_slice(&seq(0, 32));
        let answer = EncryptAnswer {
            ciphertext: toy_wrap(seed.expose()),
            key_id: key_id.into(),
            ..EncryptAnswer::default()
        };
        let mut source = WriteSource::seed(&PORTABLE, &seed, answer).unwrap();
        let random = [seq(0xa0, 32), seq(0x60, 12)].concat();
        let key = WriteKey::KmsV2(&mut source);
        let stored = self.chain.seal(b"{}\n", ETCD_KEY, &random, key).unwrap();
        let mut deks = DekTable::new();
        deks.set_state(&self.case.provider, self.machine.read_state());
        for request in self.chain.requests(&stored) {
            deks.supply(&request, SecretBytes::from_slice(&seq(0, 32)));
        }
        match self.chain.open(&stored, ETCD_KEY, &deks) {
            Ok(Answer::Opened(opened)) => Ok(opened.how.stale.as_bool().unwrap()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(text(&error)),
        }
    }
}

fn replay_v2(case: &StateCase) {
    let mut replay = Replay {
        case,
        machine: if case.key_form {
            KmsV2::key_form(&case.provider, &PORTABLE)
        } else {
            KmsV2::new(&case.provider, &PORTABLE)
        },
        chain: chain(case),
        clock: START,
        status_out: None,
        health: None,
        encrypt_out: None,
    };
    for event in &case.events {
        replay.event(event);
    }
    assert_eq!(replay.encrypt_out, None);
    assert_eq!(replay.health, None);
}

fn replay_v1(case: &StateCase) {
    let mut probe = KmsV1::new(&case.provider);
    let mut step = None;
    for event in &case.events {
        let now = START + Duration::from_millis(event.at_ms);
        match &event.what {
            Happened::Start => {}
            Happened::Encrypt { by, input, answer } => {
                assert_eq!(*by, Cause::Health);
                assert_eq!(input.as_slice(), PING);
                assert_eq!(probe.health(now), StepV1::Encrypt);
                assert_eq!(probe.health(now), StepV1::Pending);
                let answer = answer.clone().map(|a| a.ciphertext);
                step = Some(probe.encrypt_answered(now, answer));
            }
            Happened::Decrypt { by, input, answer } => {
                assert_eq!(*by, Cause::Health);
                assert_eq!(step, Some(StepV1::Decrypt(input.clone())));
                step = Some(probe.decrypt_answered(now, answer.clone().map(drop)));
            }
            Happened::Health(expected) => {
                let step = step.take().unwrap_or_else(|| probe.health(now));
                let StepV1::Done(result) = step else {
                    panic!("upstream answers, we do {step:?}");
                };
                assert_eq!(&texts(result), expected, "health");
            }
            other => panic!("{other:?} is not of KMS v1"),
        }
    }
    assert_eq!(step, None);
}

#[test]
fn state_transcripts() {
    let cases = k8senc_vectors::transcripts("state/");
    let mut events = 0;
    for case in &cases {
        assert_eq!(case.start, "2000-01-01T00:00:00Z");
        events += case.events.len();
        println!("{} {}: {}", case.suite, case.id, case.why);
        match case.api_version {
            ApiVersion::V1 => replay_v1(case),
            ApiVersion::V2 => replay_v2(case),
        }
    }
    assert_eq!(cases.len(), k8senc_vectors::manifest().count("state/"));
    assert!(events > 900, "only {events} events");
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut machine = KmsV2::new("p", &PORTABLE);
    let good = StatusAnswer {
        version: "v2".into(),
        healthz: "ok".into(),
        key_id: "1".into(),
    };
    let seed = SecretBytes::from_slice(&[7; SEED_LEN]);
    let answer = EncryptAnswer {
        ciphertext: vec![1],
        key_id: "1".into(),
        ..EncryptAnswer::default()
    };
    assert_eq!(
        machine.status_answered(START, Ok(good.clone())),
        Step::Pending
    );
    assert_eq!(
        machine.encrypt_answered(START, &seed, "u", Ok(answer.clone())),
        Step::Pending
    );
    assert_eq!(machine.poll(START), Step::Status);
    assert_eq!(
        machine.encrypt_answered(START, &seed, "u", Ok(answer.clone())),
        Step::Pending
    );
    assert_eq!(
        machine.status_answered(START, Ok(good.clone())),
        Step::Encrypt
    );
    assert_eq!(machine.status_answered(START, Ok(good)), Step::Pending);
    assert_eq!(
        machine.write_source(START).err(),
        Some(Error::KmsNeverHealthy)
    );
    assert_eq!(
        machine.encrypt_answered(START, &seed, "u", Ok(answer)),
        Step::Done(Ok(()))
    );
    assert_eq!((machine.uid(), machine.version()), (Some("u"), Some("v2")));
    assert!(machine.write_source(START).is_ok());

    let mut probe = KmsV1::new("p");
    assert_eq!(probe.encrypt_answered(START, Ok(vec![])), StepV1::Pending);
    assert_eq!(probe.health(START), StepV1::Encrypt);
    assert_eq!(probe.decrypt_answered(START, Ok(())), StepV1::Pending);
}

#[test]
fn times_beyond_all_calendars_end() {
    let mut machine = KmsV2::new("p", &PORTABLE);
    assert_eq!(machine.poll(Duration::ZERO), Step::Status);
    let _ = machine.status_answered(Duration::ZERO, Err("away".into()));
    assert_eq!(machine.poll(Duration::MAX), Step::Status);
    let _ = machine.status_answered(Duration::MAX, Err("away".into()));
    assert!(matches!(machine.poll(Duration::MAX), Step::Wait { .. }));
}
