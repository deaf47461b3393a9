//! A search of all states that servers can reach between two files, for one in which a server must read what it
//! cannot.
//!
//! What the model takes for granted: a KMS that goes down stays down (coming back only restores what is known), one
//! at a time; until it went down, every server had read everything, so that only a restart loses DEKs and seeds;
//! and a KMS block of one name has one KEK behind it, wherever its socket is.

use core::fmt;
use std::collections::{BTreeSet, VecDeque};

use super::reading::{Readers, Unreadable, kind, name, resources, words};
use crate::config::Config;
use crate::diff::Reader;
use crate::resource::GroupResource;
use crate::transition::Inventory;

/// Servers that go from one file to the next, one by one and in any order, while all of them read and write.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rollout<'c> {
    /// The file that all servers have.
    pub old: &'c Config,
    /// The file that all servers get.
    pub new: &'c Config,
    /// How many; more than three behave as three do. 2 unless set.
    pub servers: usize,
    /// The file is taken without a restart, and only while every KMS in it is healthy. Off unless set.
    pub reload: bool,
    /// Whether one KMS may go down and servers may restart meanwhile. Off unless set.
    pub outage: bool,
    /// What is stored; without it, whatever the old file reads may be.
    pub stored: Option<&'c Inventory>,
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This server has the new file from now on.
    Takes(usize),
    /// This server writes an object with this writer.
    Writes(usize, Reader),
    /// This server restarts with the file that it had.
    Restarts(usize),
    /// This KMS goes down.
    Down(Reader),
}

/// The shortest way to a read that fails.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counterexample {
    /// A resource or rule of the files.
    pub resource: GroupResource,
    /// What happens, in order.
    pub events: Vec<Event>,
    /// The server that cannot read, counted from 0.
    pub server: usize,
    /// Whether it has the new file.
    pub on_new: bool,
    /// Who wrote the value.
    pub value: Reader,
    /// Why it cannot be read.
    pub why: Unreadable,
}

/// `server A`, `server B` and so on.
fn server(index: usize) -> String {
    let letter = u8::try_from(index).map_or('?', |i| char::from(b'A'.saturating_add(i)));
    format!("server {letter}")
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Takes(s) => write!(f, "{} takes the new file", server(*s)),
            Self::Writes(s, writer) => write!(f, "{} writes with {}", server(*s), words(writer)),
            Self::Restarts(s) => write!(f, "{} restarts", server(*s)),
            Self::Down(kms) => write!(f, "{} goes down", words(kms)),
        }
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.resource)?;
        for event in &self.events {
            write!(f, "{event}; ")?;
        }
        let taken = |event: &Event| matches!(event, Event::Takes(_));
        let file = match (self.on_new, self.events.iter().any(taken)) {
            (true, _) => "on the new file",
            (false, true) => "still on the old file",
            (false, false) => "on the old file",
        };
        let author = self.events.iter().find_map(|event| match event {
            Event::Writes(s, writer) if *writer == self.value => Some(*s),
            _ => None,
        });
        let value = match author {
            Some(s) => format!("{} wrote with {}", server(s), words(&self.value)),
            None => format!("was stored before with {}", words(&self.value)),
        };
        let reader = server(self.server);
        write!(
            f,
            "{reader}, {file}, cannot read what {value}: {}",
            self.why.text()
        )
    }
}

impl<'c> Rollout<'c> {
    /// Two servers that restart into the new file, with every KMS up and nothing known of what is stored.
    #[must_use]
    pub const fn new(old: &'c Config, new: &'c Config) -> Self {
        Self {
            old,
            new,
            servers: 2,
            reload: false,
            outage: false,
            stored: None,
        }
    }

    /// The number of states looked at, in all of which every server reads every value.
    ///
    /// # Errors
    /// The shortest way to a state where one does not.
    pub fn check(&self) -> Result<usize, Box<Counterexample>> {
        let mut states = 0_usize;
        let mut worst: Option<Box<Counterexample>> = None;
        for resource in resources(self.old, Some(self.new), self.stored) {
            match Model::new(self, &resource).search() {
                Ok(seen) => states = states.saturating_add(seen),
                Err(found) => {
                    if worst
                        .as_ref()
                        .is_none_or(|w| found.events.len() < w.events.len())
                    {
                        worst = Some(found);
                    }
                }
            }
        }
        worst.map_or(Ok(states), Err)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Server {
    on_new: bool,
    /// It still has what it learnt of the KMS that is down.
    remembers: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    servers: Vec<Server>,
    /// Indices in [`Model::values`].
    stored: BTreeSet<usize>,
    down: Option<usize>,
}

impl State {
    /// Servers are alike, so their order does not tell states apart.
    fn canonical(&self) -> Self {
        let mut state = self.clone();
        state.servers.sort();
        state
    }
}

/// The model of one resource.
struct Model<'r> {
    rollout: &'r Rollout<'r>,
    resource: GroupResource,
    old: Readers,
    new: Readers,
    /// Every reader of either file.
    values: Vec<Reader>,
}

impl<'r> Model<'r> {
    fn new(rollout: &'r Rollout<'r>, resource: &GroupResource) -> Self {
        let old = Readers::new(rollout.old, resource);
        let new = Readers::new(rollout.new, resource);
        let mut values: Vec<Reader> = Vec::new();
        for link in old.links.iter().chain(&new.links) {
            if !values.contains(&link.reader) {
                values.push(link.reader.clone());
            }
        }
        Self {
            rollout,
            resource: resource.clone(),
            old,
            new,
            values,
        }
    }

    /// What all servers read before the change. A value that the old file cannot read is no fault of the new one.
    fn start(&self) -> State {
        let stored = self.values.iter().enumerate().filter(|(_, value)| {
            let there = self
                .rollout
                .stored
                .is_none_or(|inventory| inventory.count(&self.resource, &value.prefix).live > 0);
            there && self.old.read(value).is_ok()
        });
        let server = Server {
            on_new: false,
            remembers: false,
        };
        State {
            stored: stored.map(|(i, _)| i).collect(),
            servers: vec![server; self.rollout.servers.clamp(1, 3)],
            down: None,
        }
    }

    fn readers(&self, on_new: bool) -> &Readers {
        if on_new { &self.new } else { &self.old }
    }

    fn search(&self) -> Result<usize, Box<Counterexample>> {
        let start = self.start();
        let mut seen = BTreeSet::from([start.canonical()]);
        // Each state with the index of the one before it and the event between.
        let mut states: Vec<(State, Option<(usize, Event)>)> = vec![(start, None)];
        let mut queue = VecDeque::from([0_usize]);
        while let Some(at) = queue.pop_front() {
            let Some(state) = states.get(at).map(|(state, _)| state.clone()) else {
                break;
            };
            if let Some((server, value, why)) = self.failure(&state) {
                let mut events = Vec::new();
                let mut here = states.get(at);
                while let Some((_, Some((before, event)))) = here {
                    events.push(event.clone());
                    here = states.get(*before);
                }
                events.reverse();
                return Err(Box::new(Counterexample {
                    resource: self.resource.clone(),
                    events,
                    server,
                    on_new: state.servers.get(server).is_some_and(|s| s.on_new),
                    value,
                    why,
                }));
            }
            for (event, next) in self.next(&state) {
                if seen.insert(next.canonical()) {
                    queue.push_back(states.len());
                    states.push((next, Some((at, event))));
                }
            }
        }
        Ok(states.len())
    }

    /// A server and a value that it cannot read now.
    fn failure(&self, state: &State) -> Option<(usize, Reader, Unreadable)> {
        for (i, server) in state.servers.iter().enumerate() {
            for v in &state.stored {
                let value = self.values.get(*v)?;
                let lost = state.down == Some(*v) && !server.remembers;
                let read = self.readers(server.on_new).read(value);
                let why = read.err().or(lost.then_some(Unreadable::PluginDown));
                if let Some(why) = why {
                    return Some((i, value.clone(), why));
                }
            }
        }
        None
    }

    fn next(&self, state: &State) -> Vec<(Event, State)> {
        let mut next = Vec::new();
        for (i, server) in state.servers.iter().enumerate() {
            let with = |on_new: bool, remembers: bool| {
                let mut state = state.clone();
                if let Some(server) = state.servers.get_mut(i) {
                    *server = Server { on_new, remembers };
                }
                state
            };
            if !server.on_new && self.takes(state) {
                next.push((Event::Takes(i), with(true, false)));
            }
            if state.down.is_some() && server.remembers {
                next.push((Event::Restarts(i), with(server.on_new, false)));
            }
            let writer = self.readers(server.on_new).writer().map(|l| &l.reader);
            let value = self
                .values
                .iter()
                .position(|value| Some(value) == writer)
                .filter(|v| {
                    // A v2 seed writes for three minutes without its plugin, a v1 block never.
                    let seed = server.remembers && writer.is_some_and(|w| kind(w) == "kms v2");
                    state.down != Some(*v) || seed
                });
            if let (Some(v), Some(writer)) = (value, writer) {
                let mut written = state.clone();
                written.stored.insert(v);
                next.push((Event::Writes(i, writer.clone()), written));
            }
        }
        if self.rollout.outage && state.down.is_none() {
            let blocks = self.values.iter().enumerate();
            for (v, kms) in blocks.filter(|(_, value)| kind(value).starts_with("kms")) {
                let mut without = state.clone();
                without.down = Some(v);
                for server in &mut without.servers {
                    server.remembers = self.readers(server.on_new).holds(kms);
                }
                next.push((Event::Down(kms.clone()), without));
            }
        }
        next
    }

    /// A restart takes any file; a reload wants every KMS of the new one healthy, whatever resource it is for.
    fn takes(&self, state: &State) -> bool {
        let down = state.down.and_then(|v| self.values.get(v));
        !self.rollout.reload
            || down.is_none_or(|kms| {
                let mut blocks = self.rollout.new.kms_blocks();
                !blocks.any(|block| block.name == name(kms))
            })
    }
}
