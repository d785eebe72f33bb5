//! The store: records go into the log, what they mean into the ledger, and now and then all of it to a checkpoint.

use crate::background::{ALIVE_EVERY_MS, Background};
use crate::checkpoint::Checkpoint;
use crate::error::{OpenError, ReadError, StoreFull};
use crate::files;
use crate::flow::Place;
use crate::ledger::{Effects, Ledger};
use crate::message::StoredMessage;
use crate::record::{MessageId, Recipient, Record, SessionId, VERSION};
use crate::recovered::Recovered;
use crate::rows::Rows;
use crate::settings::{Event, Settings};
use mqtt_log::{Disk, Entry, Log, Position, RealDisk, Recovery, RecoveryReport};
use parking_lot::Mutex;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Waker;
use std::time::Instant;

/// Messages whose places are looked up under one lock.
const PLACES_MAX: usize = 256;
/// Bytes of a message read before it is known how long it is; unit: bytes.
const READ_AHEAD_MAX: usize = 16 << 10;

/// The durable state of one broker.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    /// None once it is closed.
    background: Mutex<Option<Background>>,
}

/// What the store's users and its own thread share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log: Log,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) settings: Settings,
    /// When expired rows of the checkpoint were last looked for.
    pub(crate) purged: Mutex<Instant>,
    /// The directory, for the file that says until when the broker ran; none in tests.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) bell: crate::background::Bell,
}

/// What is changed with every record, under one lock so that it agrees with the log.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) ledger: Ledger,
    pub(crate) rows: Rows,
    pub(crate) last_session: SessionId,
    /// The head of the record in hand.
    head: Vec<u8>,
}

/// How a store was found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// What the log says.
    pub log: RecoveryReport,
}

/// How much a store holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Sizes {
    /// Sessions.
    pub sessions: usize,
    /// Messages queued for all sessions.
    pub queued: usize,
    /// Bytes of the log's files.
    pub log_len: u64,
    /// Bytes of records somebody needs.
    pub live_len: u64,
}

impl Store {
    /// Opens the store in `dir`, or makes one, and recovers what was kept.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub fn open(
        dir: impl AsRef<Path>,
        settings: Settings,
    ) -> Result<(Self, Recovered, Report), OpenError> {
        let dir = dir.as_ref();
        files::prepare(dir)?;
        let path = files::log_dir(dir);
        let disk = RealDisk::new(&path).map_err(|source| OpenError::Io { path, source })?;
        let path = files::checkpoint(dir);
        if !path.exists() && files::has_log(dir) {
            return Err(OpenError::CheckpointMissing { path });
        }
        let checkpoint = Checkpoint::open(files::disk(dir)?)?;
        files::sync(dir)?;
        let dir = Some(dir.to_owned());
        Self::start(disk, checkpoint, dir, settings)
    }

    /// Opens a store with everything on one disk of any kind, or makes one.
    ///
    /// # Errors
    /// [`OpenError`]; nothing was changed then.
    pub fn open_all_on(
        disk: impl Disk + Clone,
        settings: Settings,
    ) -> Result<(Self, Recovered, Report), OpenError> {
        let path = PathBuf::from(disk.path(files::CHECKPOINT));
        let names = match disk.list() {
            Ok(names) => names,
            Err(source) => return Err(OpenError::Io { path, source }),
        };
        let has_log = names.iter().any(|name| name.ends_with(".seg"));
        if has_log && !names.iter().any(|name| name == files::CHECKPOINT) {
            return Err(OpenError::CheckpointMissing { path });
        }
        let checkpoint = Checkpoint::open(Arc::new(disk.clone()))?;
        Self::start(disk, checkpoint, None, settings)
    }

    fn start(
        disk: impl Disk,
        checkpoint: Checkpoint,
        dir: Option<PathBuf>,
        settings: Settings,
    ) -> Result<(Self, Recovered, Report), OpenError> {
        let (shared, recovered, report) = Shared::open(disk, checkpoint, dir, settings)?;
        let shared = Arc::new(shared);
        let background = Mutex::new(Some(Background::start(Arc::clone(&shared))));
        Ok((Self { shared, background }, recovered, report))
    }

    /// Appends a record; never waits for the disk.
    ///
    /// One about a session that is not there changes nothing and is not written.
    ///
    /// # Errors
    /// [`StoreFull`]; nothing was written.
    pub fn append(&self, record: &Record<'_>) -> Result<Position, StoreFull> {
        self.append_with(record, record.is_freeing())
    }

    /// The same, also from the room that records have that give room back: for one that takes the place of another.
    ///
    /// # Errors
    /// [`StoreFull`]; nothing was written.
    pub fn append_from_reserve(&self, record: &Record<'_>) -> Result<Position, StoreFull> {
        self.append_with(record, true)
    }

    fn append_with(&self, record: &Record<'_>, is_freeing: bool) -> Result<Position, StoreFull> {
        let mut inner = self.shared.inner.lock();
        let is_lost = record
            .session()
            .is_some_and(|session| !inner.ledger.knows(session));
        if is_lost {
            return Ok(Position::ZERO);
        }
        let position = inner.append_with(&self.shared.log, record, is_freeing)?;
        drop(inner);
        self.shared.look_after(position);
        Ok(position)
    }

    /// Appends a message for those of `recipients` that are there, and as the retained one of its topic if it is.
    ///
    /// With `received` it is known from then on that its publisher, if it is there, has sent it under this identifier.
    ///
    /// # Errors
    /// [`StoreFull`]; nothing was written.
    pub fn append_message(
        &self,
        message: StoredMessage<'_>,
        mut recipients: Vec<Recipient<'_>>,
        is_retained: bool,
        received: Option<NonZeroU16>,
    ) -> Result<(Position, MessageId), StoreFull> {
        let mut inner = self.shared.inner.lock();
        recipients.retain(|recipient| inner.ledger.knows(recipient.session));
        if recipients.is_empty() && !is_retained {
            return Ok((Position::ZERO, MessageId::default()));
        }
        let id = inner.ledger.next_id;
        let record = Record::Message {
            id,
            recipients: recipients.into(),
            is_retained,
            received: received.filter(|_| inner.ledger.knows(SessionId(message.publisher))),
            message,
        };
        let position = inner.append(&self.shared.log, &record)?;
        inner.ledger.next_id = MessageId(id.0 + 1);
        drop(inner);
        self.shared.look_after(position);
        Ok((position, id))
    }

    /// A session is through with a message: delivered, or dropped. It is written a little later.
    pub fn finish(&self, session: SessionId, id: MessageId) {
        let mut inner = self.shared.inner.lock();
        let had = inner.ledger.unwritten();
        let effects = inner.ledger.finish(session, id);
        inner.settle(&self.shared.log, effects);
        let has = inner.ledger.unwritten();
        drop(inner);
        if had == 0 && has > 0 {
            self.shared.bell.ring();
        }
    }

    /// Writes at once what sessions are through with.
    pub fn flush(&self) {
        self.shared.inner.lock().flush(&self.shared.log);
    }

    /// The position of the last record.
    pub fn appended(&self) -> Position {
        self.shared.log.appended()
    }

    /// The position up to which everything is durable, as the settings mean it.
    pub fn durable(&self) -> Position {
        self.shared.log.durable()
    }

    /// The position up to which the operating system has everything.
    pub fn written(&self) -> Position {
        self.shared.log.written()
    }

    /// Wakes `waker` once `position` is durable.
    pub fn wake_when_durable(&self, position: Position, waker: &Waker) {
        self.shared.log.wake_when_durable(position, waker);
    }

    /// Wakes `waker` once the operating system has what is at `position`.
    pub fn wake_when_written(&self, position: Position, waker: &Waker) {
        self.shared.log.wake_when_written(position, waker);
    }

    /// Whether the disk is behind by half of what may wait for it: who can wait should, until there is room.
    pub fn is_behind(&self) -> bool {
        self.shared.log.is_behind()
    }

    /// Wakes `waker` once the disk is no longer behind; at once if it is not.
    pub fn wake_when_room(&self, waker: &Waker) {
        self.shared.log.wake_when_room(waker);
    }

    /// What has happened to the log since it was opened.
    pub fn log_stats(&self) -> mqtt_log::Stats {
        self.shared.log.stats()
    }

    /// What the files of the log take.
    pub fn log_space(&self) -> mqtt_log::Space {
        self.shared.log.space()
    }

    /// A message that a session is still to be given.
    ///
    /// # Errors
    /// [`ReadError`]; it may block on the disk.
    pub fn read(
        &self,
        session: SessionId,
        id: MessageId,
    ) -> Result<StoredMessage<'static>, ReadError> {
        let place = |shared: &Shared| shared.inner.lock().ledger.place(session, id);
        let mut tried = None;
        loop {
            let place = place(&self.shared).ok_or(ReadError::Gone)?;
            match self.shared.read(place) {
                // It was copied meanwhile: once more, where it is now.
                Err(ReadError::Log(mqtt_log::ReadError::Gone)) if tried != Some(place) => {
                    tried = Some(place);
                }
                read => return read,
            }
        }
    }

    /// Messages that sessions are still to be given: `visitor` gets each once, in the order of the log, with its places
    /// in `wanted`. Those near each other in the log are read at once.
    ///
    /// It may block on the disk.
    pub fn read_batch(
        &self,
        wanted: &[(SessionId, MessageId)],
        mut visitor: impl FnMut(&[usize], Result<StoredMessage<'_>, ReadError>),
    ) {
        let mut places = Vec::with_capacity(wanted.len());
        let mut gone = Vec::new();
        for (nth, chunk) in wanted.chunks(PLACES_MAX).enumerate() {
            let ledger = &self.shared.inner.lock().ledger;
            for (at, (session, id)) in chunk.iter().enumerate() {
                let at = nth * PLACES_MAX + at;
                match ledger.place(*session, *id) {
                    Some(place) => places.push((place, at)),
                    None => gone.push(at),
                }
            }
        }
        if !gone.is_empty() {
            visitor(&gone, Err(ReadError::Gone));
        }
        places.sort_unstable();
        let mut shares: Vec<_> = places.chunk_by(|one, next| one.0 == next.0).collect();
        let mut at = Vec::new();
        while !shares.is_empty() {
            let mut done = 0;
            self.shared.read_batch(&shares, |share, message| {
                at.clear();
                at.extend(share.iter().map(|(_, at)| *at));
                visitor(&at, Ok(message));
                done += 1;
            });
            // Where that ended the record was copied meanwhile, or is damaged.
            let mut rest = shares.split_off(done).into_iter();
            if let Some(share) = rest.next() {
                at.clear();
                at.extend(share.iter().map(|(_, at)| *at));
                let alone = at.first().and_then(|first| wanted.get(*first));
                if let Some((session, id)) = alone {
                    visitor(&at, self.read(*session, *id));
                }
            }
            shares = rest.collect();
        }
    }

    /// How much there is.
    pub fn sizes(&self) -> Sizes {
        let space = self.shared.log.space();
        let (sessions, queued) = self.shared.inner.lock().ledger.sizes();
        Sizes {
            sessions,
            queued,
            log_len: space.on_disk,
            live_len: space.held_len,
        }
    }

    /// Writes a checkpoint now.
    ///
    /// # Errors
    /// What failed, in words; the store is to be given up then.
    pub fn checkpoint(&self) -> Result<(), String> {
        self.shared.write_checkpoint()
    }

    /// Writes again what is needed of segments of the log that are needed for little, so that they can be dropped.
    ///
    /// The store does so itself after a checkpoint; it reads the disk.
    pub fn compact(&self) {
        self.shared.compact();
    }

    /// Writes a last checkpoint; the files are closed when the store is dropped, and nothing is to be appended before.
    ///
    /// # Errors
    /// What failed, in words: what was not durable before may be lost.
    pub fn close(&self) -> Result<(), String> {
        if let Some(background) = self.background.lock().take() {
            background.stop();
        }
        self.shared.write_checkpoint()?;
        self.shared.note_alive();
        match self.shared.log.failure() {
            Some(failure) => Err(failure.to_string()),
            None => Ok(()),
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(background) = self.background.get_mut().take() {
            background.stop();
            self.flush();
        }
    }
}

impl Shared {
    fn open(
        disk: impl Disk,
        checkpoint: Checkpoint,
        dir: Option<PathBuf>,
        settings: Settings,
    ) -> Result<(Self, Recovered, Report), OpenError> {
        let (numbers, mut replay) = checkpoint.begin()?;
        let recovery = Recovery::open(disk, settings.of_log())?;
        let applied = Position::new(numbers.applied);
        let (log, report) = recovery.replay(Position::ZERO, applied, |found| {
            let record = Record::decode(found.kind, found.version, found.payload)?;
            let len = u32::try_from(found.payload.len()).unwrap_or(u32::MAX);
            let at = found.position.number();
            replay.record(&record, Place { at, len })
        })?;
        let (mut recovered, flows) = checkpoint.end(&mut replay)?;
        let noted_ms = dir.as_deref().map_or(0, files::alive_ms);
        // It may have run until it would have noted the time again: no session may end too early.
        let alive_ms = match noted_ms {
            0 => 0,
            noted_ms => noted_ms.saturating_add(ALIVE_EVERY_MS).min(files::now_ms()),
        };
        recovered.alive_ms = alive_ms.max(replay.latest_ms);
        let mut ledger = Ledger::from_next(replay.next_id.max(MessageId(1)));
        for found in flows {
            ledger.restore(found);
        }
        for place in ledger.held() {
            let len = usize::try_from(place.len).unwrap_or(usize::MAX);
            log.hold(Position::new(place.at), len);
        }
        log.set_replay_from(Position::new(numbers.applied));
        let shared = Self {
            log,
            inner: Mutex::new(Inner {
                ledger,
                rows: replay.rows,
                last_session: replay.last_session,
                head: Vec::new(),
            }),
            checkpoint,
            settings,
            purged: Mutex::new(Instant::now()),
            dir,
            bell: crate::background::Bell::default(),
        };
        Ok((shared, recovered, Report { log: report }))
    }

    fn read(&self, place: Place) -> Result<StoredMessage<'static>, ReadError> {
        let mut bytes = Vec::new();
        let len_hint = usize::try_from(place.len).unwrap_or(0);
        let position = Position::new(place.at);
        let record = self.log.read(position, len_hint, &mut bytes)?;
        match Record::decode(record.kind, record.version, record.payload)? {
            Record::Message { message, .. } => Ok(message.into_owned()),
            _ => Err(ReadError::Gone),
        }
    }

    /// Reads records in their order and gives each to `visitor`, up to the first that cannot be read.
    fn read_batch<'p>(
        &self,
        shares: &[&'p [(Place, usize)]],
        mut visitor: impl FnMut(&'p [(Place, usize)], StoredMessage<'_>),
    ) {
        let places = shares.iter().filter_map(|share| share.first());
        let mut positions = Vec::with_capacity(shares.len());
        let mut len_hint = 0;
        for (place, _) in places {
            positions.push(Position::new(place.at));
            len_hint = usize::try_from(place.len).map_or(len_hint, |len| len.max(len_hint));
        }
        let mut shares = shares.iter();
        let len_hint = len_hint.min(READ_AHEAD_MAX);
        // What it fails at is found out when it is read alone.
        let _ = self.log.read_batch(&positions, len_hint, |record| {
            let decoded = Record::decode(record.kind, record.version, record.payload);
            let Ok(Record::Message { message, .. }) = decoded else {
                return false;
            };
            let Some(share) = shares.next() else {
                return false;
            };
            visitor(share, message);
            true
        });
    }

    /// Rings for a checkpoint when enough has been written since the last one.
    fn look_after(&self, appended: Position) {
        if self.bell.is_due(appended) {
            self.bell.ring();
        }
    }

    pub(crate) fn fail(&self, failure: String) {
        tracing::error!(%failure, "the store failed");
        self.settings.tell(Event::Failed(failure));
    }
}

impl Inner {
    /// Writes `record` and takes it up; both or none.
    pub(crate) fn append(&mut self, log: &Log, record: &Record<'_>) -> Result<Position, StoreFull> {
        self.append_with(log, record, record.is_freeing())
    }

    fn append_with(
        &mut self,
        log: &Log,
        record: &Record<'_>,
        is_freeing: bool,
    ) -> Result<Position, StoreFull> {
        self.head.clear();
        let kind = record.encode_head(&mut self.head);
        let parts: [&[u8]; 2] = [&self.head, record.block()];
        let mut entry = Entry::new(kind, &parts).version(VERSION);
        let len = self.head.len() + record.block().len();
        if is_freeing {
            entry = entry.freeing();
        }
        if let Record::Message { recipients, .. } = record
            && !recipients.is_empty()
        {
            entry = entry.held();
        }
        let position = log.append(entry).map_err(|_| StoreFull)?;
        let place = Place {
            at: position.number(),
            len: u32::try_from(len).unwrap_or(u32::MAX),
        };
        if let Record::SessionStarted { session, .. } = record {
            self.last_session = self.last_session.max(*session);
        }
        self.rows.apply(record);
        let effects = self.ledger.apply(record, place);
        self.settle(log, effects);
        Ok(position)
    }

    fn settle(&mut self, log: &Log, effects: Effects) {
        for place in effects.freed {
            let len = usize::try_from(place.len).unwrap_or(usize::MAX);
            log.release(Position::new(place.at), len);
        }
        if let Some(finished) = effects.finished {
            self.write_finished(log, finished);
        }
    }

    /// Writes what is finished and has not been written.
    pub(crate) fn flush(&mut self, log: &Log) {
        while let Some(finished) = self.ledger.take_finished() {
            self.write_finished(log, finished);
        }
    }

    fn write_finished(
        &mut self,
        log: &Log,
        (session, first, last): (SessionId, MessageId, MessageId),
    ) {
        let record = Record::Finished {
            session,
            first,
            last,
        };
        // What is lost here is delivered once more after a crash, unless a checkpoint comes first.
        let _ = self.append(log, &record);
    }
}
