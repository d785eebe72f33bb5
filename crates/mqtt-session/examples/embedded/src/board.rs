//! What a board would have instead: TCP, a clock and a stack, from the C library of Linux.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_long, c_void};
use core::panic::PanicInfo;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The stack the program runs on; the C library asks for no less. Unit: bytes.
const STACK_LEN: usize = 64 * 1024;
/// What an untouched byte of it looks like.
const UNTOUCHED: u8 = 0xA5;

const AF_INET: u16 = 2;
const SOCK_STREAM: c_int = 1;
const POLLIN: i16 = 1;
const CLOCK_MONOTONIC: c_int = 1;
/// A connection that is gone is an error, no signal.
const MSG_NOSIGNAL: c_int = 0x4000;

#[repr(C)]
struct SockAddrIn {
    family: u16,
    port_be: u16,
    addr_be: u32,
    zero: [u8; 8],
}

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

#[repr(C)]
struct TimeSpec {
    seconds: c_long,
    nanoseconds: c_long,
}

/// Larger than the attributes of a thread on every platform.
#[repr(C, align(16))]
struct ThreadAttributes([u8; 256]);

#[link(name = "c")]
unsafe extern "C" {
    fn abort() -> !;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn connect(fd: c_int, address: *const SockAddrIn, len: u32) -> c_int;
    fn read(fd: c_int, bytes: *mut c_void, len: usize) -> isize;
    fn write(fd: c_int, bytes: *const c_void, len: usize) -> isize;
    fn send(fd: c_int, bytes: *const c_void, len: usize, flags: c_int) -> isize;
    fn close(fd: c_int) -> c_int;
    fn poll(fds: *mut PollFd, count: usize, timeout_ms: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut TimeSpec) -> c_int;
    fn pthread_attr_init(attributes: *mut ThreadAttributes) -> c_int;
    fn pthread_attr_setstack(
        attributes: *mut ThreadAttributes,
        stack: *mut c_void,
        len: usize,
    ) -> c_int;
    fn pthread_create(
        thread: *mut usize,
        attributes: *const ThreadAttributes,
        start: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void,
    ) -> c_int;
    fn pthread_join(thread: usize, result: *mut *mut c_void) -> c_int;
}

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    // SAFETY: `abort` may be called at any time.
    unsafe { abort() }
}

/// A TCP connection.
pub struct Socket(c_int);

impl Socket {
    /// Connects to `port` of this machine.
    pub fn connect(port: u16) -> Option<Self> {
        let address = SockAddrIn {
            family: AF_INET,
            port_be: port.to_be(),
            addr_be: u32::from_be_bytes([127, 0, 0, 1]).to_be(),
            zero: [0; 8],
        };
        let len = u32::try_from(size_of::<SockAddrIn>()).ok()?;
        // SAFETY: plain numbers.
        let opened = Self(unsafe { socket(c_int::from(AF_INET), SOCK_STREAM, 0) });
        // SAFETY: `address` is valid for `len` bytes during the call.
        let result = unsafe { connect(opened.0, &raw const address, len) };
        (result == 0).then_some(opened)
    }

    /// Waits for bytes until `timeout_ms` have passed; whether there are some, or the end.
    pub fn wait(&self, timeout_ms: Option<u64>) -> bool {
        let mut fds = PollFd {
            fd: self.0,
            events: POLLIN,
            revents: 0,
        };
        let timeout_ms = timeout_ms.map_or(-1, |ms| c_int::try_from(ms).unwrap_or(c_int::MAX));
        // SAFETY: `fds` is one valid entry during the call.
        unsafe { poll(&raw mut fds, 1, timeout_ms) > 0 }
    }

    /// Reads what is there; none at the end.
    pub fn read(&self, bytes: &mut [u8]) -> Option<usize> {
        // SAFETY: `bytes` is valid for its length during the call.
        let len = unsafe { read(self.0, bytes.as_mut_ptr().cast(), bytes.len()) };
        usize::try_from(len).ok().filter(|len| *len > 0)
    }

    /// Writes as much as goes; none when the connection is gone.
    pub fn write(&self, bytes: &[u8]) -> Option<usize> {
        // SAFETY: `bytes` is valid for its length during the call.
        let len = unsafe { send(self.0, bytes.as_ptr().cast(), bytes.len(), MSG_NOSIGNAL) };
        usize::try_from(len).ok()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: a plain number; nothing reads from it afterwards.
        unsafe { close(self.0) };
    }
}

/// Milliseconds that only grow.
pub fn now_ms() -> u64 {
    let mut time = TimeSpec {
        seconds: 0,
        nanoseconds: 0,
    };
    // SAFETY: `time` is valid during the call.
    unsafe { clock_gettime(CLOCK_MONOTONIC, &raw mut time) };
    let seconds = u64::try_from(time.seconds).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.nanoseconds).unwrap_or(0) / 1_000_000
}

/// Prints `name` and `number`, and ends the line.
pub fn print(name: &[u8], number: usize) {
    let mut digits = [b'0'; 20];
    let mut left = number;
    let mut len = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or(0);
        left /= 10;
        len += 1;
        if left == 0 {
            break;
        }
    }
    for bytes in [
        name,
        b" ",
        digits.get(20 - len..).unwrap_or_default(),
        b"\n",
    ] {
        // SAFETY: `bytes` is valid for its length during the call. Nobody listens to what cannot be printed.
        let _ = unsafe { write(1, bytes.as_ptr().cast(), bytes.len()) };
    }
}

#[repr(C, align(64))]
struct Stack(UnsafeCell<[u8; STACK_LEN]>);

// SAFETY: only the thread that runs on it touches it between its start and its end.
unsafe impl Sync for Stack {}

static STACK: Stack = Stack(UnsafeCell::new([UNTOUCHED; STACK_LEN]));
/// Where the stack was when the program began.
static TOP: AtomicUsize = AtomicUsize::new(0);

/// Runs `program` with `argument` on a stack of its own: its result, and the bytes of stack it needed.
pub fn measured(program: fn(usize) -> usize, argument: usize) -> Option<(usize, usize)> {
    let mut call = (program, argument);
    let mut attributes = ThreadAttributes([0; 256]);
    let mut thread = 0;
    let stack: *mut u8 = STACK.0.get().cast();
    // SAFETY: everything pointed to lives until the thread has been joined.
    unsafe {
        pthread_attr_init(&raw mut attributes);
        if pthread_attr_setstack(&raw mut attributes, stack.cast(), STACK_LEN) != 0
            || pthread_create(
                &raw mut thread,
                &raw const attributes,
                start,
                (&raw mut call).cast(),
            ) != 0
            || pthread_join(thread, ptr::null_mut()) != 0
        {
            return None;
        }
    }
    // SAFETY: the thread has ended, and its stack was made of bytes.
    let bytes = unsafe { &*STACK.0.get() };
    let untouched = bytes.iter().take_while(|byte| **byte == UNTOUCHED).count();
    let lowest = stack.addr() + untouched;
    Some((call.1, TOP.load(Ordering::Relaxed).checked_sub(lowest)?))
}

extern "C" fn start(call: *mut c_void) -> *mut c_void {
    let here = 0_u8;
    TOP.store((&raw const here).addr(), Ordering::Relaxed);
    let call: *mut (fn(usize) -> usize, usize) = call.cast();
    // SAFETY: `measured` gave it and waits.
    unsafe { (*call).1 = ((*call).0)((*call).1) };
    ptr::null_mut()
}
