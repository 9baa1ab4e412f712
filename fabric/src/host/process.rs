//! Who a process is, and whether it still lives.

use std::os::fd::{AsFd, FromRawFd, OwnedFd};

/// A process, told apart from a later one with the same number by the time it started.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: u32,
    /// When it started, in clock ticks since boot (`/proc/PID/stat`, field 22; proc(5)).
    pub start_time: u64,
}

impl ProcessIdentity {
    /// The calling process.
    pub fn current() -> Self {
        let pid = std::process::id();
        ProcessIdentity {
            pid,
            start_time: start_time(pid).unwrap_or(0),
        }
    }

    /// Whether the process still runs. One that has exited but was not reaped does not.
    pub fn is_alive(&self) -> bool {
        self.pid != 0 && start_time(self.pid) == Some(self.start_time)
    }
}

/// Watches a process through a descriptor, so that its death is seen without reading `/proc`.
#[derive(Debug)]
pub struct ProcessWatch {
    identity: ProcessIdentity,
    descriptor: Option<OwnedFd>,
}

impl ProcessWatch {
    /// Watches `identity`. `None`: it is dead already.
    pub fn new(identity: ProcessIdentity) -> Option<Self> {
        // SAFETY: the call takes two integers and returns a new descriptor or an error.
        let opened = unsafe {
            libc::syscall(
                libc::SYS_pidfd_open,
                identity.pid as libc::c_long,
                0 as libc::c_long,
            )
        };
        // SAFETY: a non-negative result is a descriptor that nobody else owns.
        let descriptor =
            (opened >= 0).then(|| unsafe { OwnedFd::from_raw_fd(opened as libc::c_int) });
        // Checked after opening: the descriptor cannot be a later process's then.
        identity.is_alive().then_some(ProcessWatch {
            identity,
            descriptor,
        })
    }

    /// Whether the process has died.
    pub fn is_dead(&self) -> bool {
        match &self.descriptor {
            Some(descriptor) => {
                let mut polled = [nix::poll::PollFd::new(
                    descriptor.as_fd(),
                    nix::poll::PollFlags::POLLIN,
                )];
                matches!(
                    nix::poll::poll(&mut polled, nix::poll::PollTimeout::ZERO),
                    Ok(count) if count > 0
                )
            }
            // A kernel before 5.3.
            None => !self.identity.is_alive(),
        }
    }

    /// Kills the process.
    pub fn kill(&self) -> std::io::Result<()> {
        let result = match &self.descriptor {
            // SAFETY: the descriptor names the watched process and no later one; the call reads
            // no memory.
            Some(descriptor) => unsafe {
                libc::syscall(
                    libc::SYS_pidfd_send_signal,
                    std::os::fd::AsRawFd::as_raw_fd(descriptor) as libc::c_long,
                    libc::SIGKILL as libc::c_long,
                    std::ptr::null::<libc::siginfo_t>(),
                    0 as libc::c_long,
                )
            },
            // SAFETY: the call takes two integers.
            None => unsafe {
                libc::c_long::from(libc::kill(self.identity.pid as libc::pid_t, libc::SIGKILL))
            },
        };
        if result == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    }

    /// Who is watched.
    pub fn identity(&self) -> ProcessIdentity {
        self.identity
    }
}

/// Start time of a running process; `None` for one that is gone, a zombie, or unreadable.
fn start_time(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold spaces and parentheses itself: fields begin after the last.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    if matches!(fields.next()?, "Z" | "X" | "x") {
        return None;
    }
    // State is field 3, start time field 22.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_a_killed_child_does_not() {
        assert!(ProcessIdentity::current().is_alive());
        let mut child = std::process::Command::new("sleep")
            .arg("100")
            .spawn()
            .expect("sleep starts");
        let identity = ProcessIdentity {
            pid: child.id(),
            start_time: start_time(child.id()).expect("the child runs"),
        };
        let watch = ProcessWatch::new(identity).expect("the child lives");
        assert!(!watch.is_dead());
        child.kill().expect("the child can be killed");
        child.wait().expect("the child can be reaped");
        assert!(watch.is_dead());
        assert!(!identity.is_alive());
        assert!(ProcessWatch::new(identity).is_none());
    }

    #[test]
    fn a_reused_number_is_another_process() {
        let current = ProcessIdentity::current();
        let earlier = ProcessIdentity {
            start_time: current.start_time.wrapping_sub(1),
            ..current
        };
        assert!(!earlier.is_alive());
    }
}
