//! Reading a BPF ring buffer over its mapped pages: events are borrowed from the ring, and released when what they led to is
//! safe. So a ring is read further than it is released, and after a restart it is read again from there.
//!
//! Layout and protocol: `kernel/bpf/ringbuf.c`. A page with the consumer's position (ours to write), a page with the
//! producer's, then the data, mapped twice in a row so that no record is ever split.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use aya::maps::MapData;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// The record is being written.
const BUSY: u32 = 1 << 31;
/// The record was given up by its writer.
const DISCARDED: u32 = 1 << 30;
/// Bytes of a record's header.
const RECORD_HEADER: usize = 8;

/// One mapped ring buffer.
pub struct Ring {
    map: MapData,
    consumer: Pages,
    producer: Pages,
    /// Bytes of data; a power of two.
    size: usize,
    page: usize,
    /// Position of the next event to hand out.
    read: usize,
}

/// Mapped memory, unmapped on drop.
struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the pages are shared with the kernel only and reached through `&mut Ring`.
unsafe impl Send for Pages {}

impl Pages {
    fn map(
        fd: BorrowedFd<'_>,
        length: usize,
        offset: usize,
        protection: ProtFlags,
    ) -> io::Result<Self> {
        // SAFETY: a new mapping at a place of the kernel's choice.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                length,
                protection,
                MapFlags::SHARED,
                fd,
                offset as u64,
            )?
        };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { start, length })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and nothing borrowed from it outlives it.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
    }
}

impl Ring {
    /// Maps a ring buffer of `size` bytes.
    ///
    /// # Errors
    /// What `mmap` refuses.
    pub fn map(map: MapData, size: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        let fd = map.fd().as_fd();
        let consumer = Pages::map(fd, page, 0, ProtFlags::READ | ProtFlags::WRITE)?;
        let producer = Pages::map(fd, page + 2 * size, page, ProtFlags::READ)?;
        let mut ring = Self {
            map,
            consumer,
            producer,
            size,
            page,
            read: 0,
        };
        ring.read = ring.consumed().load(Ordering::Relaxed);
        Ok(ring)
    }

    /// The ring's descriptor: readable after the kernel side forced a wake-up.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.map.fd().as_fd()
    }

    /// Bytes of data.
    pub fn size(&self) -> u64 {
        self.size as u64
    }

    /// Bytes that are not released.
    pub fn filled(&self) -> u64 {
        let consumed = self.consumed().load(Ordering::Relaxed);
        self.produced()
            .load(Ordering::Acquire)
            .wrapping_sub(consumed) as u64
    }

    /// Bytes that were not handed out yet.
    pub fn unread(&self) -> u64 {
        self.produced()
            .load(Ordering::Acquire)
            .wrapping_sub(self.read) as u64
    }

    /// Position of the next event to hand out.
    pub fn position(&self) -> u64 {
        self.read as u64
    }

    /// Goes on at a position, where that lies among what the ring still holds.
    pub fn seek(&mut self, position: u64) -> bool {
        let consumed = self.consumed().load(Ordering::Relaxed) as u64;
        let produced = self.produced().load(Ordering::Acquire) as u64;
        let holds = (consumed..=produced).contains(&position);
        if holds {
            self.read = position as usize;
        }
        holds
    }

    /// Gives the room before a position back to the kernel side.
    pub fn release(&mut self, position: u64) {
        let consumed = self.consumed().load(Ordering::Relaxed) as u64;
        if (consumed..=self.position()).contains(&position) {
            self.consumed().store(position as usize, Ordering::Release);
        }
    }

    /// Position after the last event.
    pub fn end(&self) -> u64 {
        self.produced().load(Ordering::Acquire) as u64
    }

    /// Hands out at most `limit` events before a position in their order, with their positions. Returns how many.
    pub fn drain(&mut self, limit: usize, until: u64, mut event: impl FnMut(u64, &[u8])) -> usize {
        let produced = self.produced().load(Ordering::Acquire).min(until as usize);
        let mut count = 0;
        while self.read < produced && count < limit {
            let at = self.page + (self.read & (self.size - 1));
            // SAFETY: `at` is aligned to 8 and lies in the first of the two mappings of the data.
            let head = unsafe { self.producer.start.add(at).cast::<AtomicU32>().as_ref() }
                .load(Ordering::Acquire);
            if head & BUSY != 0 {
                break;
            }
            let length = (head & !DISCARDED) as usize;
            if length > self.size {
                break;
            }
            if head & DISCARDED == 0 {
                // SAFETY: a record that is not busy is not written any more until it is released, which takes `&mut self`; it
                // is at most `size` bytes long and the second mapping follows the first, so it lies in mapped memory.
                let bytes = unsafe {
                    std::slice::from_raw_parts(
                        self.producer.start.add(at + RECORD_HEADER).as_ptr(),
                        length,
                    )
                };
                event(self.read as u64, bytes);
                count += 1;
            }
            self.read += (RECORD_HEADER + length).next_multiple_of(8);
        }
        count
    }

    fn consumed(&self) -> &AtomicUsize {
        // SAFETY: the first word of the consumer's page, which stays mapped as long as `self`.
        unsafe { self.consumer.start.cast().as_ref() }
    }

    fn produced(&self) -> &AtomicUsize {
        // SAFETY: the first word of the producer's page, which stays mapped as long as `self`.
        unsafe { self.producer.start.cast().as_ref() }
    }
}
