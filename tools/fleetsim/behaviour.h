// Who does what: the same device does the same in every run.
#pragma once

#include <cstdint>

namespace fleetcast::fleetsim {

// What a device does with method calls.
enum class Treatment : uint8_t { kAnswer, kFail, kIgnore };

// A number in [0, 1) for device number `index` (from 0): the digits of the index mirrored at the decimal point (van der
// Corput's sequence). The first 10, 100, 1,000 … devices cover [0, 1) evenly, so that shares come out exact.
double Spread(int64_t index);

// The treatment of method calls by device number `index`: `ignore_share` of all ignore them, `fail_share` fail.
Treatment TreatmentOf(int64_t index, double ignore_share, double fail_share);

// What a device does besides, to test that it does no harm.
enum class Quirk : uint8_t {
  kNone,
  kAnswersTwice,  // Sends a second answer, another one, to each call.
  kLies,          // Answers as well under the id of a call that another device received.
};

// The quirk of device number `index`: shares as above, from the other end of [0, 1).
Quirk QuirkOf(int64_t index, double twice_share, double lie_share);

}  // namespace fleetcast::fleetsim
