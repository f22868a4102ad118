// How much memory the program holds, for fuzz targets that bound it.
#pragma once

#include <malloc.h>

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLEETCAST_SANITIZER_COUNTS_MEMORY
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FLEETCAST_SANITIZER_COUNTS_MEMORY
#endif
#endif

#ifdef FLEETCAST_SANITIZER_COUNTS_MEMORY
// Of <sanitizer/allocator_interface.h>, which g++ does not bring along.
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace fleetcast::fuzz {

// Bytes that are allocated now. A sanitizer has an allocator of its own and is asked for it.
inline ptrdiff_t HeldBytes() {
#ifdef FLEETCAST_SANITIZER_COUNTS_MEMORY
  return static_cast<ptrdiff_t>(__sanitizer_get_current_allocated_bytes());
#else
  return static_cast<ptrdiff_t>(mallinfo2().uordblks);
#endif
}

}  // namespace fleetcast::fuzz
