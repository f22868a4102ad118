// A whole connection: a device that sends any bytes, well-formed packets among them, and a hub that answers, calls and
// goes away, at any time. The input is a script (connection_script.h). What must hold: connection_oracle.h.
//
// Scripts with an honest hub are played in three fragmentations of what the device sends, and must end alike.
#include <cstdint>
#include <string_view>

#include "libs/base/check.h"
#include "tests/fuzz/connection_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace fuzz = fleetcast::fuzz;
  const std::string_view script(reinterpret_cast<const char*>(bytes), size);
  const fuzz::Ending whole = fuzz::Play(script, fuzz::Cut::kWhole);
  if (!whole.hub_is_honest) return 0;
  for (const fuzz::Cut cut : {fuzz::Cut::kBytes, fuzz::Cut::kPieces}) {
    FLEETCAST_CHECK(fuzz::IsAlike(whole, fuzz::Play(script, cut)));
  }
  return 0;
}
