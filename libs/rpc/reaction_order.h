// The order in which gRPC runs the reactions of one object, for ThreadSanitizer: Debian's gRPC is not instrumented, so
// that what it synchronises by itself looks like a race. Nothing in other builds.
#pragma once

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace fleetcast::rpc {

// What this thread has done so far is done before OnDone of `reactor`. Call it last: before the object is handed to
// gRPC, and at the end of a reaction that gRPC runs on a thread of its own choice.
inline void BeforeOnDone([[maybe_unused]] void* reactor) {
#if defined(__SANITIZE_THREAD__)
  __tsan_release(reactor);
#endif
}

// The beginning of OnDone of `reactor`, which gRPC promises to run after everything else.
inline void InOnDone([[maybe_unused]] void* reactor) {
#if defined(__SANITIZE_THREAD__)
  __tsan_acquire(reactor);
#endif
}

}  // namespace fleetcast::rpc
