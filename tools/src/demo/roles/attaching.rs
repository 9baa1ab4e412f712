//! Attaching a participant without waiting: both halves, step by step.

use super::begin_producer;
use crate::error::Result;
use selvedge_fabric::{
    Consumer, Fabric, Participant, PendingConsumer, PendingProducer, Producer, Start,
};

/// A participant that is being admitted.
pub struct Attaching {
    producer: Half<PendingProducer, Producer>,
    consumer: Half<PendingConsumer, Consumer>,
}

enum Half<P, A> {
    Pending(P),
    Attached(A),
    Taken,
}

impl Attaching {
    /// Takes the name, for both halves.
    pub fn begin(fabric: &Fabric, name: &str) -> Result<Self> {
        Ok(Attaching {
            producer: Half::Pending(begin_producer(fabric, name)?),
            consumer: Half::Pending(
                fabric
                    .consumer(name)
                    .start(Start::Oldest)
                    .timed_every(1)
                    .begin()?,
            ),
        })
    }

    /// The participant, once both halves are admitted.
    pub fn poll(&mut self) -> Result<Option<Participant>> {
        if let Half::Pending(pending) = &mut self.producer
            && let Some(producer) = pending.poll()?
        {
            self.producer = Half::Attached(producer);
        }
        if let Half::Pending(pending) = &mut self.consumer
            && let Some(consumer) = pending.poll()?
        {
            self.consumer = Half::Attached(consumer);
        }
        if !matches!(
            (&self.producer, &self.consumer),
            (Half::Attached(_), Half::Attached(_))
        ) {
            return Ok(None);
        }
        let producer = std::mem::replace(&mut self.producer, Half::Taken);
        let consumer = std::mem::replace(&mut self.consumer, Half::Taken);
        match (producer, consumer) {
            (Half::Attached(producer), Half::Attached(consumer)) => {
                Ok(Some(Participant::new(consumer, producer)))
            }
            _ => Ok(None),
        }
    }
}
