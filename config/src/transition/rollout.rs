//! A search of all states that servers can reach between two files, for one in which a server must read what it
//! cannot.
//!
//! ```text
//! server   on the old or the new file; for each KMS v2 block whether the plugin was healthy since the file was
//!          loaded; which DEKs and seeds are in memory
//! plugin   one for each socket: up or down, going down and coming back any number of times
//! etcd     which reader's values are stored; of KMS v2 also under whose seed
//! ```
//!
//! A process that starts lists everything, so it has every DEK that its plugins could unwrap then; one that reloads
//! starts with an empty cache. While a plugin is up, every server has each seed as soon as something is written with
//! it, since all of them watch. A seed that is first used while the plugin is down is its writer's alone.
//!
//! Two servers show every mistake that more would. Reading fails for one server, on a value with at most one author.
//! Take any run that ends so and leave out the events of all other servers: no event waits for another server's, and
//! what the others write adds to what is stored and known, never to what the reader or the author may do. So the
//! shorter run is possible, and ends in the same failure.
//!
//! What the model takes for granted: a KMS block of one name has one KEK behind it, wherever its socket is; caches of
//! KMS v1 hold all DEKs unless they are switched off; a write seed outlives the outage (its three minutes only make
//! writes stop); and what was stored before is in the memory of every server.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::reading::{Readers, Unreadable, kind, name, resources, words};
use crate::config::{Config, KmsBlock, KmsVersion};
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
    /// How many; more than two behave as two do. 2 unless set.
    pub servers: usize,
    /// The file is taken without a restart, and only while every KMS in it is healthy. Off unless set.
    pub reload: bool,
    /// Whether KMS plugins may go down and come back, and servers may restart. Off unless set.
    pub outage: bool,
    /// The KMS blocks whose plugins are down when it begins. None unless set.
    pub down: &'c [String],
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
    /// The plugin behind this KMS block goes down.
    Down(Reader),
    /// The plugin behind this KMS block is back.
    Back(Reader),
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
    /// Who of the servers wrote it, unless it was stored before.
    pub author: Option<usize>,
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
            Self::Back(kms) => write!(f, "{} is back", words(kms)),
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
        let value = match self.author {
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
            down: &[],
            stored: None,
        }
    }

    /// The number of states looked at, in all of which every server reads every value.
    ///
    /// # Errors
    /// The shortest way to a state where one does not.
    pub fn check(&self) -> Result<usize, Box<Counterexample>> {
        self.check_with(self.servers.clamp(1, 2))
    }

    /// As [`check`](Self::check), with every one of `servers` in the search.
    ///
    /// # Errors
    /// The same.
    pub fn check_with(&self, servers: usize) -> Result<usize, Box<Counterexample>> {
        let mut states = 0_usize;
        let mut worst: Option<Box<Counterexample>> = None;
        for resource in resources(self.old, Some(self.new), self.stored) {
            match Model::new(self, &resource).search(servers) {
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

/// Whose seed a value of KMS v2 is under: a server, and how often it had loaded a file. What all processes of the
/// beginning use counts as stored before.
type Seed = (usize, u8);

/// A kind of value in etcd: an index in [`Model::values`], and the seed.
type Item = (usize, Option<Seed>);

/// More restarts of one server show nothing new.
const LOADS: u8 = 2;

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Server {
    on_new: bool,
    loads: u8,
    /// The KMS values whose plugin was healthy since the file was loaded.
    ready: BTreeSet<usize>,
    /// What can be read without asking a plugin.
    known: BTreeSet<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    servers: Vec<Server>,
    stored: BTreeSet<Item>,
    /// Sockets, by index in [`Model::sockets`].
    down: BTreeSet<usize>,
}

/// What one file does with the values.
struct File {
    readers: Readers,
    writer: Option<usize>,
    /// Index of a KMS value to its socket.
    sockets: BTreeMap<usize, usize>,
    /// Every socket of the file, whatever resource it is for.
    all: BTreeSet<usize>,
    /// The KMS v1 values without a cache.
    uncached: BTreeSet<usize>,
}

/// The model of one resource.
struct Model<'r> {
    rollout: &'r Rollout<'r>,
    resource: GroupResource,
    /// Every reader of either file.
    values: Vec<Reader>,
    old: File,
    new: File,
    /// A KMS value for each socket, to name it.
    plugins: BTreeMap<usize, Reader>,
    down: BTreeSet<usize>,
}

/// Where a block is dialled; the endpoint for what has no path.
fn socket(block: &KmsBlock) -> &str {
    if block.socket.is_empty() {
        &block.endpoint
    } else {
        &block.socket
    }
}

impl File {
    fn new(config: &Config, resource: &GroupResource, values: &[Reader], sockets: &[&str]) -> Self {
        let readers = Readers::new(config, resource);
        let index = |block: &KmsBlock| sockets.iter().position(|s| *s == socket(block));
        let mut by_value = BTreeMap::new();
        let mut uncached = BTreeSet::new();
        for (v, value) in values.iter().enumerate().filter(|(_, v)| readers.holds(v)) {
            let version = match kind(value) {
                "kms v1" => KmsVersion::V1,
                "kms v2" => KmsVersion::V2,
                _ => continue,
            };
            let mut blocks = config.kms_blocks();
            let Some(block) = blocks.find(|b| b.version == version && b.name == name(value)) else {
                continue;
            };
            by_value.extend(index(block).map(|socket| (v, socket)));
            if block.cache_size.is_some_and(|size| size < 0) {
                uncached.insert(v);
            }
        }
        let writer = readers.writer().map(|link| &link.reader);
        Self {
            writer: values.iter().position(|v| Some(v) == writer),
            all: config.kms_blocks().filter_map(index).collect(),
            sockets: by_value,
            uncached,
            readers,
        }
    }
}

impl<'r> Model<'r> {
    fn new(rollout: &'r Rollout<'r>, resource: &GroupResource) -> Self {
        let mut values: Vec<Reader> = Vec::new();
        let mut held = BTreeSet::new();
        for config in [rollout.old, rollout.new] {
            for link in Readers::new(config, resource).links {
                if held.insert(link.reader.clone()) {
                    values.push(link.reader);
                }
            }
        }
        let blocks = || rollout.old.kms_blocks().chain(rollout.new.kms_blocks());
        let sockets: Vec<&str> = blocks()
            .map(socket)
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let index = |block: &KmsBlock| sockets.iter().position(|s| *s == socket(block));
        let old = File::new(rollout.old, resource, &values, &sockets);
        let new = File::new(rollout.new, resource, &values, &sockets);
        let mut plugins = BTreeMap::new();
        for (v, socket) in old.sockets.iter().chain(&new.sockets) {
            if let Some(value) = values.get(*v) {
                plugins.entry(*socket).or_insert_with(|| value.clone());
            }
        }
        let down = blocks().filter(|b| rollout.down.contains(&b.name));
        Self {
            rollout,
            resource: resource.clone(),
            down: down.filter_map(index).collect(),
            values,
            old,
            new,
            plugins,
        }
    }

    const fn file(&self, on_new: bool) -> &File {
        if on_new { &self.new } else { &self.old }
    }

    /// What all servers read before the change. A value that the old file cannot read is no fault of the new one.
    fn start(&self, servers: usize) -> State {
        let stored = self.values.iter().enumerate().filter(|(_, value)| {
            let there = self
                .rollout
                .stored
                .is_none_or(|inventory| inventory.count(&self.resource, &value.prefix).live > 0);
            there && self.old.readers.read(value).is_ok()
        });
        let stored: BTreeSet<Item> = stored.map(|(i, _)| (i, None)).collect();
        let server = Server {
            ready: self.old.sockets.keys().copied().collect(),
            known: self.old.sockets.keys().map(|v| (*v, None)).collect(),
            ..Server::default()
        };
        State {
            stored,
            servers: vec![server; servers],
            down: self.down.clone(),
        }
    }

    fn search(&self, servers: usize) -> Result<usize, Box<Counterexample>> {
        let start = self.start(servers);
        let mut seen = BTreeSet::from([start.clone()]);
        // Each state with the index of the one before it and the event between.
        let mut states: Vec<(State, Option<(usize, Event)>)> = vec![(start, None)];
        let mut queue = VecDeque::from([0_usize]);
        while let Some(at) = queue.pop_front() {
            let Some(state) = states.get(at).map(|(state, _)| state.clone()) else {
                break;
            };
            if let Some((server, item, why)) = self.failure(&state) {
                let mut events = Vec::new();
                let mut here = states.get(at);
                while let Some((_, Some((before, event)))) = here {
                    events.push(event.clone());
                    here = states.get(*before);
                }
                events.reverse();
                let value = self.values.get(item.0).cloned().unwrap_or_default();
                let author = events.iter().find_map(|event| match event {
                    Event::Writes(s, writer)
                        if *writer == value && item.1.is_none_or(|seed| seed.0 == *s) =>
                    {
                        Some(*s)
                    }
                    _ => None,
                });
                return Err(Box::new(Counterexample {
                    resource: self.resource.clone(),
                    events,
                    server,
                    on_new: state.servers.get(server).is_some_and(|s| s.on_new),
                    value,
                    author,
                    why,
                }));
            }
            for (event, next) in self.next(&state) {
                if seen.insert(next.clone()) {
                    queue.push_back(states.len());
                    states.push((next, Some((at, event))));
                }
            }
        }
        Ok(states.len())
    }

    /// Why a server cannot read a value now, if it cannot.
    fn unreadable(
        &self,
        server: &Server,
        item: Item,
        down: &BTreeSet<usize>,
    ) -> Option<Unreadable> {
        let file = self.file(server.on_new);
        let value = self.values.get(item.0)?;
        if let Err(why) = file.readers.read(value) {
            return Some(why);
        }
        let plugin_down = file.sockets.get(&item.0).is_some_and(|s| down.contains(s));
        let remembered = server.ready.contains(&item.0)
            && server.known.contains(&item)
            && !file.uncached.contains(&item.0);
        (plugin_down && !remembered).then_some(Unreadable::PluginDown)
    }

    /// A server and a value that it cannot read now.
    fn failure(&self, state: &State) -> Option<(usize, Item, Unreadable)> {
        let servers = state.servers.iter().enumerate();
        servers
            .flat_map(|(i, server)| state.stored.iter().map(move |item| (i, server, *item)))
            .find_map(|(i, server, item)| {
                Some((i, item, self.unreadable(server, item, &state.down)?))
            })
    }

    /// A server after it loaded a file.
    fn loaded(&self, before: &Server, on_new: bool, restart: bool, state: &State) -> Server {
        let file = self.file(on_new);
        let up = |v: &usize| file.sockets.get(v).is_some_and(|s| !state.down.contains(s));
        let listed = state.stored.iter().filter(|(v, _)| restart && up(v));
        Server {
            on_new,
            loads: before.loads.saturating_add(1).min(LOADS),
            ready: file.sockets.keys().copied().filter(up).collect(),
            known: listed.copied().collect(),
        }
    }

    fn next(&self, state: &State) -> Vec<(Event, State)> {
        let mut next = Vec::new();
        let failing = self.rollout.outage || !self.down.is_empty();
        for (i, server) in state.servers.iter().enumerate() {
            let with = |server: Server| {
                let mut state = state.clone();
                if let Some(place) = state.servers.get_mut(i) {
                    *place = server;
                }
                state
            };
            if !server.on_new && self.takes(state) {
                let loaded = self.loaded(server, true, !self.rollout.reload, state);
                next.push((Event::Takes(i), with(loaded)));
            }
            if failing && server.loads < LOADS && !self.plugins.is_empty() {
                let loaded = self.loaded(server, server.on_new, true, state);
                next.push((Event::Restarts(i), with(loaded)));
            }
            next.extend(self.write(i, server, state));
        }
        if self.rollout.outage {
            for (socket, kms) in &self.plugins {
                let mut other = state.clone();
                if other.down.remove(socket) {
                    for server in &mut other.servers {
                        let file = self.file(server.on_new);
                        let back = file.sockets.iter().filter(|(_, s)| *s == socket);
                        server.ready.extend(back.map(|(v, _)| *v));
                        // It lists and watches again.
                        let read = |item: &&Item| file.sockets.get(&item.0) == Some(socket);
                        server.known.extend(state.stored.iter().filter(read));
                    }
                    next.push((Event::Back(kms.clone()), other));
                } else {
                    other.down.insert(*socket);
                    next.push((Event::Down(kms.clone()), other));
                }
            }
        }
        next
    }

    /// A write by a server, if its writer can write now.
    fn write(&self, i: usize, server: &Server, state: &State) -> Option<(Event, State)> {
        let file = self.file(server.on_new);
        let v = file.writer?;
        let writer = self.values.get(v)?;
        let down = file.sockets.get(&v).is_some_and(|s| state.down.contains(s));
        let seeded = kind(writer) == "kms v2";
        // A v2 seed writes for three minutes without its plugin, a v1 block never.
        if down && !(seeded && server.ready.contains(&v)) {
            return None;
        }
        let item = (v, (seeded && server.loads > 0).then_some((i, server.loads)));
        let mut written = state.clone();
        written.stored.insert(item);
        for (j, other) in written.servers.iter_mut().enumerate() {
            let sockets = &self.file(other.on_new).sockets;
            let up = sockets.get(&v).is_some_and(|s| !state.down.contains(s));
            if sockets.contains_key(&v) && (i == j || up) {
                other.known.insert(item);
            }
        }
        Some((Event::Writes(i, writer.clone()), written))
    }

    /// Whether a server may take the new file now, if there is one. A restart takes any file; a reload wants every KMS of the new one healthy, whatever resource it is for.
    fn takes(&self, state: &State) -> bool {
        let other = !core::ptr::eq(self.rollout.old, self.rollout.new);
        other && (!self.rollout.reload || self.new.all.is_disjoint(&state.down))
    }
}
