//! An expression made for one message type.

use crate::check::Check;
use crate::names::Names;
use crate::truth::Truth;
use selvedge_fabric::frame::FrameHeader;

/// A part of a compiled expression. Nested no deeper than the expression.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Node {
    /// The same for every message.
    Constant(Truth),
    /// The opposite.
    Not(Box<Node>),
    /// All must hold.
    All(Box<[Node]>),
    /// One must hold.
    Any(Box<[Node]>),
    /// To be tested.
    Check(Check),
}

impl Node {
    /// The opposite of `inner`.
    pub(crate) fn not(inner: Node) -> Self {
        match inner {
            Node::Constant(truth) => Node::Constant(truth.not()),
            Node::Not(inner) => *inner,
            other => Node::Not(Box::new(other)),
        }
    }

    /// All of `parts`.
    pub(crate) fn all(parts: impl Iterator<Item = Node>) -> Self {
        match Self::join(parts, Truth::True) {
            Ok(node) => node,
            Err(parts) => Node::All(parts),
        }
    }

    /// One of `parts`.
    pub(crate) fn any(parts: impl Iterator<Item = Node>) -> Self {
        match Self::join(parts, Truth::False) {
            Ok(node) => node,
            Err(parts) => Node::Any(parts),
        }
    }

    /// Leaves out the parts that change nothing: those that are always `neutral`. A part that is
    /// always the opposite decides alone.
    fn join(parts: impl Iterator<Item = Node>, neutral: Truth) -> Result<Node, Box<[Node]>> {
        let mut kept = Vec::new();
        let mut unknown = false;
        for part in parts {
            match part {
                Node::Constant(truth) if truth == neutral => {}
                Node::Constant(Truth::Unknown) => unknown = true,
                Node::Constant(decides) => return Ok(Node::Constant(decides)),
                other => kept.push(other),
            }
        }
        if unknown {
            if kept.is_empty() {
                return Ok(Node::Constant(Truth::Unknown));
            }
            kept.push(Node::Constant(Truth::Unknown));
        }
        match kept.len() {
            0 => Ok(Node::Constant(neutral)),
            1 => kept.pop().map_or(Ok(Node::Constant(neutral)), Ok),
            _ => Err(kept.into()),
        }
    }

    /// Whether some message may make it `truth`, which is not [`Truth::Unknown`].
    pub(crate) fn can_be(&self, truth: Truth) -> bool {
        match self {
            Node::Constant(constant) => *constant == truth,
            Node::Not(inner) => inner.can_be(truth.not()),
            Node::All(parts) if truth == Truth::True => parts.iter().all(|part| part.can_be(truth)),
            Node::Any(parts) if truth == Truth::False => {
                parts.iter().all(|part| part.can_be(truth))
            }
            Node::All(parts) | Node::Any(parts) => parts.iter().any(|part| part.can_be(truth)),
            Node::Check(_) => true,
        }
    }

    /// What it says of a frame.
    pub(crate) fn evaluate(
        &self,
        header: &FrameHeader,
        payload: &[u8],
        names: &dyn Names,
    ) -> Truth {
        let (parts, decides) = match self {
            Node::Constant(truth) => return *truth,
            Node::Not(inner) => return inner.evaluate(header, payload, names).not(),
            Node::Check(check) => return check.evaluate(header, payload, names),
            Node::All(parts) => (parts, Truth::False),
            Node::Any(parts) => (parts, Truth::True),
        };
        let mut answer = decides.not();
        for part in parts {
            let truth = part.evaluate(header, payload, names);
            if truth == decides {
                return decides;
            }
            if truth == Truth::Unknown {
                answer = Truth::Unknown;
            }
        }
        answer
    }
}
