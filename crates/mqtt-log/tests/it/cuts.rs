//! Power cuts, killed processes and failing disks, checked against a model.
//!
//! `MQTT_SEED=n` repeats one run, `MQTT_SEEDS=n` makes so many.

use crate::random::Random;
use mqtt_log::{
    AppendError, CompactError, Durability, Entry, Log, OpenError, Position, ReadError, Record,
    Recovery, ReplayError, Settings, Step, Writer,
    fault::{FaultCounts, Faults, SimDisk},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    num::NonZeroU8,
};

/// Runs, and lives of the log in each.
const RUNS: u64 = 460;
const LIVES: u64 = 16;

/// Nothing acknowledged is lost, nothing else than what was written is served, what belongs together is there together.
#[test]
fn what_was_acknowledged_survives_every_fault() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .map(|number| number.parse().unwrap())
    };
    let seed: Option<u64> = number("MQTT_SEED");
    let runs = number("MQTT_SEEDS").unwrap_or(RUNS);
    let mut total = FaultCounts::default();
    let mut facts = Facts::default();
    for run in seed.map_or(0..runs, |seed| seed..seed + 1) {
        let mut world = World::new(run);
        for _ in 0..LIVES {
            world.live();
        }
        add(&mut total, world.disk.counts());
        facts.add(&world.facts);
    }
    println!("{total:?}\n{facts:?}");
    if seed.is_none() && runs >= RUNS {
        assert!(total.cuts >= 5000, "{total:?}");
        let FaultCounts {
            short_writes,
            full,
            failed_syncs,
            kills,
            dropped_sectors,
            kept_sectors,
            torn_sectors,
            garbled_sectors,
            lost_names,
            lost_lens,
            ..
        } = total;
        let each = [
            short_writes,
            full,
            failed_syncs,
            kills,
            dropped_sectors,
            kept_sectors,
            torn_sectors,
            garbled_sectors,
            lost_names,
            lost_lens,
        ];
        assert!(each.iter().all(|count| *count >= 100), "{total:?}");
        let Facts {
            opened,
            cut_tails,
            appended,
            acknowledged,
            refused,
            blocked,
            failed,
            dropped,
            recycled,
            moved,
            faulty_opens,
        } = facts;
        let each = [
            opened,
            cut_tails,
            appended,
            acknowledged,
            refused,
            blocked,
            failed,
            dropped,
            recycled,
            moved,
            faulty_opens,
        ];
        assert!(each.iter().all(|count| *count >= 100), "{facts:?}");
    }
}

/// What the runs went through.
#[derive(Debug, Default)]
struct Facts {
    opened: u64,
    faulty_opens: u64,
    cut_tails: u64,
    appended: u64,
    acknowledged: u64,
    refused: u64,
    blocked: u64,
    failed: u64,
    dropped: u64,
    recycled: u64,
    moved: u64,
}

impl Facts {
    fn add(&mut self, other: &Self) {
        self.opened += other.opened;
        self.faulty_opens += other.faulty_opens;
        self.cut_tails += other.cut_tails;
        self.appended += other.appended;
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.blocked += other.blocked;
        self.failed += other.failed;
        self.dropped += other.dropped;
        self.recycled += other.recycled;
        self.moved += other.moved;
    }
}

fn add(total: &mut FaultCounts, other: FaultCounts) {
    total.short_writes += other.short_writes;
    total.full += other.full;
    total.failed_syncs += other.failed_syncs;
    total.cuts += other.cuts;
    total.kills += other.kills;
    total.dropped_sectors += other.dropped_sectors;
    total.kept_sectors += other.kept_sectors;
    total.torn_sectors += other.torn_sectors;
    total.garbled_sectors += other.garbled_sectors;
    total.lost_names += other.lost_names;
    total.lost_lens += other.lost_lens;
}

/// A record as it was appended.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Known {
    kind: u8,
    payload: Vec<u8>,
    /// Records with the same number are there together or not at all.
    together: u64,
    is_held: bool,
}

struct World {
    seed: u64,
    random: Random,
    disk: SimDisk,
    settings: Settings,
    known: BTreeMap<Position, Known>,
    /// Everything up to here was reported durable.
    acknowledged: Position,
    /// The last position given to `set_replay_from`.
    replay_from: Position,
    appends: u64,
    failed_syncs: u64,
    facts: Facts,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed.wrapping_mul(0x1234_5678_9abc_def1));
        let durability = match random.percent(20) {
            true => Durability::Os,
            false => Durability::Fsync,
        };
        Self {
            seed,
            disk: SimDisk::new(random.next()),
            settings: Settings {
                durability,
                segment_len: 16 << 10,
                buffer_len_max: 4 << 10,
                total_len_max: (8 + random.below(24)) << 15,
                spares_max: random.index(3),
                ..Settings::default()
            },
            random,
            known: BTreeMap::new(),
            acknowledged: Position::ZERO,
            replay_from: Position::ZERO,
            appends: 0,
            failed_syncs: 0,
            facts: Facts::default(),
        }
    }

    /// Opens the log, checks it, works with it, and ends in some way.
    fn live(&mut self) {
        let random = &mut self.random;
        self.disk.set_faults(match random.percent(60) {
            true => Faults {
                short_write: 50,
                full: 20,
                failed_sync: 4,
            },
            false => Faults::default(),
        });
        self.disk.set_capacity(match random.percent(30) {
            true => self.disk.used() + random.below(80 << 10),
            false => u64::MAX,
        });
        let calls = random.below(160);
        if random.percent(80) {
            self.disk.turn_off_after(calls);
        }
        let Some((log, mut writer)) = self.open() else {
            self.facts.faulty_opens += 1;
            self.end();
            return;
        };
        self.work(&log, &mut writer);
        if self.random.percent(15) && !self.disk.is_off() {
            self.disk.set_faults(Faults::default());
            self.disk.set_capacity(u64::MAX);
            self.recover_room(&log, &mut writer);
        }
        let stats = log.stats();
        self.facts.dropped += stats.dropped_segments;
        self.facts.recycled += stats.recycled;
        if self.random.percent(20) && writer.finish().is_ok() {
            self.acknowledge(&log);
        }
        self.end();
    }

    /// The process ends, and often the machine with it.
    fn end(&mut self) {
        let is_cut = self.disk.is_off() || self.random.percent(60);
        let failed_syncs = self.disk.counts().failed_syncs;
        let has_failed = failed_syncs > self.failed_syncs;
        self.failed_syncs = failed_syncs;
        if self.settings.durability == Durability::Os && (is_cut || has_failed) {
            // Nobody was promised that: what the system had may never have reached the disk.
            self.acknowledged = Position::ZERO;
        }
        self.disk = match is_cut {
            true => self.disk.cut(),
            false => self.disk.kill(),
        };
    }

    fn open(&mut self) -> Option<(Log, Writer)> {
        let from = match self.random.percent(30) {
            true => self.replay_from,
            false => Position::ZERO,
        };
        let mut found = Vec::new();
        let visit = |record: Record<'_>| {
            found.push((record.position, record.kind, record.payload.to_vec()));
            Ok::<_, Infallible>(())
        };
        let recovery = Recovery::open(self.disk.clone(), self.settings.clone());
        let replayed = recovery
            .map_err(ReplayError::Open)
            .and_then(|recovery| recovery.replay_manual(from, self.replay_from, visit));
        match replayed {
            Ok((log, writer, report)) => {
                self.facts.opened += 1;
                self.facts.cut_tails += u64::from(report.cut.is_some());
                self.check(&log, from, &found);
                Some((log, writer))
            }
            Err(ReplayError::Open(OpenError::Io { .. })) => None,
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }

    /// Compares what was found with what was appended, and goes on with what was found.
    fn check(&mut self, log: &Log, from: Position, found: &[(Position, u8, Vec<u8>)]) {
        let seed = self.seed;
        let mut last = Position::ZERO;
        for (position, kind, payload) in found {
            assert!(*position > last, "seed {seed}: {position} after {last}");
            last = *position;
            let known = self.known.get(position);
            let known =
                known.unwrap_or_else(|| panic!("seed {seed}: {position} was never written"));
            assert_eq!(
                (*kind, payload),
                (known.kind, &known.payload),
                "seed {seed}: {position}"
            );
        }
        let mut there: BTreeSet<_> = found.iter().map(|(position, _, _)| *position).collect();
        // What is not replayed is read, if anybody needs it.
        let unread = self.known.range(..from).filter(|(_, known)| known.is_held);
        for (position, known) in unread {
            if read(log, *position, known, seed) || self.disk.is_off() {
                there.insert(*position);
            }
        }
        let is_needed =
            |position: Position, known: &Known| known.is_held || position >= self.replay_from;
        let mut together = BTreeMap::<u64, [u64; 2]>::new();
        for (position, known) in &self.known {
            let is_there = there.contains(position);
            if is_needed(*position, known) {
                let is_promised = *position <= self.acknowledged || *position <= last;
                assert!(
                    is_there || !is_promised,
                    "seed {seed}: {position} is lost, acknowledged {}, found up to {last}",
                    self.acknowledged
                );
            }
            if *position < from {
                continue;
            }
            together.entry(known.together).or_default()[usize::from(is_there)] += 1;
        }
        let is_split = |counts: &&[u64; 2]| counts[0] > 0 && counts[1] > 0;
        assert_eq!(
            together.values().find(is_split),
            None,
            "seed {seed}: half a group"
        );
        self.known
            .retain(|position, _| *position < from || there.contains(position));
        for (position, known) in &self.known {
            if known.is_held {
                log.hold(*position, known.payload.len());
            }
        }
        log.set_replay_from(self.replay_from);
        // What was found is synced: it must stay.
        self.acknowledge(log);
    }

    fn work(&mut self, log: &Log, writer: &mut Writer) {
        for _ in 0..self.random.below(250) {
            match self.random.below(100) {
                0..45 => self.append(log),
                45..55 => self.append_together(log),
                55..80 => match writer.step() {
                    Step::Blocked => self.facts.blocked += 1,
                    Step::Failed => {
                        self.facts.failed += 1;
                        assert!(log.failure().is_some());
                        return;
                    }
                    _ => self.acknowledge(log),
                },
                80..83 => {
                    if writer.mark() == Step::Failed {
                        self.facts.failed += 1;
                        return;
                    }
                }
                83..93 => self.release(log),
                93..97 => {
                    self.replay_from = log.synced();
                    log.set_replay_from(self.replay_from);
                }
                97..99 => self.read(log),
                _ => self.compact(log),
            }
        }
    }

    fn acknowledge(&mut self, log: &Log) {
        let durable = log.durable();
        assert!(
            durable >= self.acknowledged || self.disk.is_off(),
            "seed {}",
            self.seed
        );
        if durable > self.acknowledged {
            self.facts.acknowledged += 1;
            self.acknowledged = durable;
        }
    }

    fn payload(&mut self) -> Vec<u8> {
        let len = match self.random.below(20) {
            0 => 0,
            1 => self.random.below(3000),
            2..6 => self.random.below(32),
            _ => self.random.below(400),
        };
        (0..len)
            .map(|_| self.random.next().to_le_bytes()[0])
            .collect()
    }

    fn append(&mut self, log: &Log) {
        let payload = self.payload();
        let kind = NonZeroU8::new(1 + self.random.next().to_le_bytes()[0] % 200).unwrap();
        let split = payload.len() / 2;
        let parts = [&payload[..split], &payload[split..]];
        let mut entry = Entry::new(kind, &parts).version(3);
        let is_held = self.random.percent(40);
        if is_held {
            entry = entry.held();
        }
        if self.random.percent(20) {
            entry = entry.freeing();
        }
        match log.append(entry) {
            Ok(position) => self.remember(position, kind.get(), payload, is_held),
            Err(error) => self.refused(error),
        }
        self.appends += 1;
    }

    fn append_together(&mut self, log: &Log) {
        let payloads: Vec<_> = (0..2 + self.random.below(4))
            .map(|_| self.payload())
            .collect();
        let kind = NonZeroU8::new(7).unwrap();
        let parts: Vec<_> = payloads
            .iter()
            .map(|payload| [payload.as_slice()])
            .collect();
        let entries: Vec<_> = parts
            .iter()
            .map(|parts| Entry::new(kind, parts).held())
            .collect();
        let mut positions = Vec::new();
        match log.append_all(&entries, &mut positions) {
            Ok(()) => {
                for (position, payload) in positions.into_iter().zip(payloads) {
                    self.remember(position, 7, payload, true);
                }
            }
            Err(error) => self.refused(error),
        }
        self.appends += 1;
    }

    fn remember(&mut self, position: Position, kind: u8, payload: Vec<u8>, is_held: bool) {
        self.facts.appended += 1;
        let together = self.appends;
        let known = Known {
            kind,
            payload,
            together,
            is_held,
        };
        // A record that was lost in a power cut leaves its position to another.
        self.known.retain(|known, _| *known < position);
        self.known.insert(position, known);
    }

    fn refused(&mut self, error: AppendError) {
        self.facts.refused += 1;
        assert_ne!(error, AppendError::Ended, "seed {}", self.seed);
    }

    fn release(&mut self, log: &Log) {
        let held: Vec<_> = self
            .known
            .iter()
            .filter(|(_, known)| known.is_held)
            .map(|(position, _)| *position)
            .collect();
        // Mostly old ones, so that segments die.
        let count = held.len().min(12);
        for position in &held[..count] {
            if self.random.percent(80) {
                let known = self.known.get_mut(position).unwrap();
                known.is_held = false;
                log.release(*position, known.payload.len());
            }
        }
    }

    fn read(&mut self, log: &Log) {
        let needed: Vec<_> = self
            .known
            .iter()
            .filter(|(position, known)| known.is_held || **position >= self.replay_from)
            .collect();
        if needed.is_empty() || self.disk.is_off() {
            return;
        }
        let (position, known) = needed[self.random.index(needed.len())];
        assert!(read(log, *position, known, self.seed) || self.disk.is_off());
    }

    /// What is held in the sparsest segment moves to the end.
    fn compact(&mut self, log: &Log) {
        let Some(sparse) = log.sparse_segment() else {
            return;
        };
        let mut moves = Vec::new();
        let is_held =
            |position: Position| self.known.get(&position).is_some_and(|known| known.is_held);
        let compacted = log.compact(
            sparse.base,
            |record| is_held(record.position),
            |old, new| {
                moves.push((old, new));
                true
            },
        );
        if let Err(error) = compacted {
            let is_damage = matches!(error, CompactError::Read(ReadError::Damaged { .. }));
            assert!(!is_damage, "seed {}: {error}", self.seed);
        }
        for (old, new) in moves {
            let known = self.known.get_mut(&old).unwrap();
            let payload = known.payload.clone();
            let kind = known.kind;
            known.is_held = false;
            self.remember(new, kind, payload, true);
            self.appends += 1;
            self.facts.moved += 1;
        }
    }

    /// With room again everything goes on by itself.
    fn recover_room(&mut self, log: &Log, writer: &mut Writer) {
        let first = self.known.keys().next().copied();
        self.replay_from = log.synced();
        log.set_replay_from(self.replay_from);
        for (position, known) in &mut self.known {
            if known.is_held && first != Some(*position) {
                known.is_held = false;
                log.release(*position, known.payload.len());
            }
        }
        for _ in 0..40 {
            if writer.step() == Step::Failed || self.disk.is_off() {
                return;
            }
            self.acknowledge(log);
        }
        let appended = log.append(Entry::new(NonZeroU8::MIN, &[b"again"]));
        let position = appended.unwrap_or_else(|error| {
            panic!(
                "seed {}: {error} {:?} {:?}",
                self.seed,
                log.space(),
                log.stats()
            )
        });
        self.remember(position, 1, b"again".to_vec(), false);
        self.appends += 1;
        let step = writer.step();
        if !self.disk.is_off() {
            assert_eq!(step, Step::Committed, "seed {}", self.seed);
            assert!(log.durable() >= position, "seed {}", self.seed);
            self.acknowledge(log);
        }
    }
}

/// Whether a record can be read; what is read must be right, and nothing may be damaged.
fn read(log: &Log, position: Position, known: &Known, seed: u64) -> bool {
    let mut memory = Vec::new();
    match log.read(position, 100, &mut memory) {
        Ok(record) => {
            assert_eq!(
                (record.kind, record.payload),
                (known.kind, known.payload.as_slice())
            );
            true
        }
        Err(error) => {
            assert!(
                !matches!(error, ReadError::Damaged { .. }),
                "seed {seed}: {position}: {error}"
            );
            false
        }
    }
}
