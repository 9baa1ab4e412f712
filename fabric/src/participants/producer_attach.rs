//! How a producer attaches: its ring, its registration, and the sequencer's answer.

use super::consumer::not_admitted;
use super::producer::Producer;
use crate::error::{FabricError, Result};
use crate::fabric::{AttachLock, Fabric, random_nonce};
use crate::frame::system::FIRST_SYSTEM_TYPE;
use crate::host::IdleStrategy;
use crate::host::process::ProcessIdentity;
use crate::memory::{Access, Mapping, RegionOptions, create_region};
use crate::message::{Message, MessageSchema};
use crate::protocol::ingress::{IngressWriter, RingShape};
use crate::shared::names::check_name;
use crate::shared::paths::source_ring;
use crate::shared::registration::{Registration, RegistrationFile};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Lines of a page at which slots may begin.
const RING_COLOURS: u64 = 64;

/// Of how many messages one notes when it was published: powers of two, or 0 for none. See [`Stamps`].
///
/// [`Stamps`]: super::stamps::Stamps
#[derive(Clone, Copy, Debug)]
pub(super) struct StampEvery {
    pub(super) alone: u64,
    pub(super) in_runs: u64,
}

impl StampEvery {
    /// A reading of the counter takes as long as publishing several messages of a run.
    const UNLESS_SAID: Self = StampEvery {
        alone: 16,
        in_runs: 64,
    };

    const fn both(every: u64) -> Self {
        StampEvery {
            alone: every,
            in_runs: every,
        }
    }
}

/// How a producer is to attach.
#[derive(Clone, Debug)]
pub struct ProducerBuilder {
    fabric: Fabric,
    name: String,
    schemas: Vec<MessageSchema>,
    capacity: u64,
    payload_bytes: u64,
    stamp: StampEvery,
    timeout: Duration,
}

impl ProducerBuilder {
    pub(crate) fn new(fabric: Fabric, name: &str) -> Self {
        ProducerBuilder {
            name: name.to_owned(),
            schemas: Vec::new(),
            capacity: fabric.control().ingress_capacity,
            payload_bytes: fabric.control().ingress_payload_bytes,
            stamp: if fabric.control().records_latency() {
                StampEvery::UNLESS_SAID
            } else {
                StampEvery::both(0)
            },
            timeout: Duration::from_secs(5),
            fabric,
        }
    }

    /// Registers a message type. Every type must be registered before it is sent.
    pub fn message<M: Message>(self) -> Self {
        self.schema(MessageSchema::of::<M>())
    }

    /// Registers a message type by its schema; one without a fixed size may vary in length.
    pub fn schema(mut self, schema: MessageSchema) -> Self {
        self.schemas.push(schema);
        self
    }

    /// Slots of the ingress ring, a power of two from 16; the fabric's default unless said.
    pub fn capacity(mut self, slots: u64) -> Self {
        self.capacity = slots;
        self
    }

    /// Bytes of the ingress payload ring, a power of two; the fabric's default unless said.
    pub fn payload_bytes(mut self, bytes: u64) -> Self {
        self.payload_bytes = bytes;
        self
    }

    /// Notes the time of publishing in one of `n` messages (a power of two; unless said 16, and 64
    /// in runs; which of them changes), for the publish-to-sequenced latency. One reading of the tick counter each; 0:
    /// never, as in a fabric that records no latency unless said.
    pub fn stamp_every(mut self, n: u64) -> Self {
        self.stamp = StampEvery::both(n);
        self
    }

    /// How long [`ProducerBuilder::attach`] waits for the sequencer; five seconds unless said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Begins to attach: registers as soon as the name is free.
    pub fn begin(self) -> Result<PendingProducer> {
        check_name("source", &self.name)?;
        self.check()?;
        let mut pending = PendingProducer {
            request: self,
            registered: None,
        };
        pending.register()?;
        Ok(pending)
    }

    fn check(&self) -> Result<()> {
        for (setting, value, least) in [
            ("capacity", self.capacity, 16),
            ("payload_bytes", self.payload_bytes, 4096),
        ] {
            if !value.is_power_of_two() || value < least || value > 1 << 26 {
                return Err(FabricError::BadSetting {
                    setting,
                    value: value.to_string(),
                    remedy: format!("use a power of two from {least} to {}", 1 << 26),
                });
            }
        }
        let every = self.stamp.alone;
        if every != 0 && !every.is_power_of_two() {
            return Err(FabricError::BadSetting {
                setting: "stamp_every",
                value: every.to_string(),
                remedy: "use 0 or a power of two".to_owned(),
            });
        }
        if self.schemas.is_empty() {
            return Err(FabricError::BadSetting {
                setting: "message types",
                value: "none".to_owned(),
                remedy: "name every type that the producer will send with `.message::<T>()`"
                    .to_owned(),
            });
        }
        let known = self.fabric.schemas();
        for (index, schema) in self.schemas.iter().enumerate() {
            let conflict = |detail: String| FabricError::SchemaConflict {
                message_type: schema.message_type,
                detail,
            };
            if schema.message_type == 0 || schema.message_type >= FIRST_SYSTEM_TYPE {
                return Err(conflict(format!(
                    "`{}` cannot have this number: use 1 to {:#06x}",
                    schema.name,
                    FIRST_SYSTEM_TYPE - 1
                )));
            }
            let size = schema.size as usize;
            if size > self.message_limit() {
                return Err(FabricError::MessageTooLarge {
                    length: size,
                    limit: self.message_limit(),
                });
            }
            let other = self.schemas[..index]
                .iter()
                .chain(&known)
                .find(|other| other.message_type == schema.message_type && *other != schema);
            if let Some(other) = other {
                return Err(conflict(schema.difference(other)));
            }
        }
        Ok(())
    }

    fn message_limit(&self) -> usize {
        let control = self.fabric.control();
        control
            .message_limit()
            .min((self.payload_bytes / crate::shared::control::PAYLOAD_SHARE) as usize)
            .max(control.inline_bytes())
    }

    /// Attaches, waiting for the sequencer to drain what an earlier process of this name left
    /// and to admit this one.
    pub fn attach(self) -> Result<Producer> {
        let (timeout, name, fabric) = (self.timeout, self.name.clone(), self.fabric.clone());
        let started = Instant::now();
        let mut pending = self.begin()?;
        let mut rounds = 0;
        loop {
            if let Some(producer) = pending.poll()? {
                return Ok(producer);
            }
            if started.elapsed() >= timeout {
                return Err(not_admitted(&fabric, "source", &name, timeout));
            }
            IdleStrategy::Park.idle(rounds);
            rounds += 1;
        }
    }
}

/// A producer that waits: for the ring of an earlier process of its name to be drained, then to
/// be admitted. Dropping it gives the name back.
#[derive(Debug)]
pub struct PendingProducer {
    request: ProducerBuilder,
    registered: Option<RegisteredSource>,
}

#[derive(Debug)]
struct RegisteredSource {
    registration: Registration,
    file: RegistrationFile,
    ring: Arc<Mapping>,
}

impl PendingProducer {
    /// The producer, once the sequencer has admitted it.
    pub fn poll(&mut self) -> Result<Option<Producer>> {
        if self.registered.is_none() {
            self.register()?;
        }
        let Some(registered) = &self.registered else {
            return Ok(None);
        };
        let fabric = &self.request.fabric;
        let nonce = registered.registration.nonce;
        let epoch = fabric.epoch().load();
        let Some(bank) = fabric.bank(epoch) else {
            return Ok(None);
        };
        if bank.header().read(epoch).is_none() {
            return Ok(None);
        }
        if let Some(reason) = bank.refusal(nonce) {
            return Err(FabricError::Refused {
                role: "source",
                name: self.request.name.clone(),
                reason,
            });
        }
        let Some((id, entry)) = bank.find_source(nonce) else {
            return Ok(None);
        };
        let Some(registered) = self.registered.take() else {
            return Ok(None);
        };
        let control = fabric.control();
        let slots_offset = registered.registration.slots_offset as usize;
        let slot_bytes = registered.registration.capacity as usize * control.slot_bytes as usize;
        let slots = registered.ring.words(slots_offset, slot_bytes)?;
        let payload = registered.ring.words(
            slots_offset + slot_bytes,
            registered.registration.payload_bytes as usize,
        )?;
        let writer = RingShape::new(registered.registration.capacity, control.slot_words())
            .and_then(|shape| IngressWriter::new(slots, shape, entry.next_source_sequence))
            .ok_or_else(|| FabricError::Damaged {
                path: registered.ring.path().to_path_buf(),
                what: "ingress ring",
                detail: "it is smaller than its slots".to_owned(),
            })?;
        Ok(Some(Producer::new(
            fabric.clone(),
            self.request.name.clone(),
            id as u16,
            registered.file,
            writer,
            payload,
            self.request.schemas.clone(),
            self.request.message_limit(),
            self.request.stamp,
        )))
    }

    /// Registers if the name is free: not while a living process has it (an error), nor while the
    /// ring of a dead one is not drained (nothing yet).
    fn register(&mut self) -> Result<()> {
        let request = &self.request;
        let fabric = &request.fabric;
        let _lock = AttachLock::acquire(&fabric.paths().attach_lock())?;
        let former = fabric.registrations_of(&request.name);
        for path in &former {
            if let Ok(former) = RegistrationFile::open(path, Access::Read)
                && !former.detached()
                && former.holder().0.is_alive()
            {
                return Err(FabricError::NameTaken {
                    role: "source",
                    name: request.name.clone(),
                    pid: former.holder().0.pid,
                });
            }
        }
        if !former.is_empty() {
            // They go once the sequencer has drained them; they may be going just now.
            return Ok(());
        }
        let nonce = random_nonce()?;
        let path = fabric.paths().source(&request.name, nonce);
        let registration = Registration {
            nonce,
            process: ProcessIdentity::current(),
            capacity: request.capacity,
            payload_bytes: request.payload_bytes,
            slots_offset: (nonce % RING_COLOURS) * 64,
            schemas: request.schemas.clone(),
        };
        let bytes = registration.encode()?;
        let control = fabric.control();
        let ring_path = source_ring(&fabric.ring_directory(), &request.name, nonce);
        let unnamed = fabric.paths().sources().join(format!(".{nonce:016x}"));
        let mut leftovers = Leftovers(vec![ring_path.clone(), unnamed.clone()]);
        let ring_file = create_region(
            &ring_path,
            registration.ring_bytes(u64::from(control.slot_bytes)),
            RegionOptions {
                pages: control.pages(),
                numa_node: control.numa_node(),
            },
        )?;
        crash_point!("attach.ring_made");
        let ring = Mapping::of_file(&ring_file, &ring_path, Access::Write)?;
        std::fs::write(&unnamed, bytes)
            .map_err(|error| FabricError::io("write", &unnamed, error))?;
        let file = RegistrationFile::open(&unnamed, Access::Write)?;
        crash_point!("attach.registration_written");
        std::fs::rename(&unnamed, &path).map_err(|error| FabricError::io("name", &path, error))?;
        crash_point!("attach.registered");
        leftovers.0.clear();
        self.registered = Some(RegisteredSource {
            registration,
            file,
            ring,
        });
        Ok(())
    }
}

impl Drop for PendingProducer {
    fn drop(&mut self) {
        if let Some(registered) = &self.registered {
            registered.file.set_detached();
        }
    }
}

/// Files to be removed unless all went well.
struct Leftovers(Vec<PathBuf>);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
