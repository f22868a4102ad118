// FLEETCAST_CHECK(condition): for our own bugs only, on in every build. Never for input, peers or databases.
#pragma once

#include <cstdio>
#include <cstdlib>

#define FLEETCAST_CHECK(condition)                                                           \
  do {                                                                                       \
    if (!(condition)) {                                                                      \
      std::fprintf(stderr, "%s:%d: invariant broken: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                          \
    }                                                                                        \
  } while (false)
