#include "tests/sim/trace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fleetcast::sim {

void Trace::Note(absl::Duration at, const char* what, int64_t job, int device, int64_t first, int64_t second) {
  entries_.push_back({at, what, job, device, first, second});
  Mix(static_cast<uint64_t>(absl::ToInt64Microseconds(at)));
  for (const char* c = what; *c != '\0'; ++c) Mix(static_cast<uint64_t>(*c));
  Mix(static_cast<uint64_t>(job));
  Mix(static_cast<uint64_t>(device));
  Mix(static_cast<uint64_t>(first));
  Mix(static_cast<uint64_t>(second));
}

std::string Trace::Last(size_t count, int64_t job, int device) const {
  std::vector<const Entry*> chosen;
  size_t general = 0;
  size_t named = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend() && named < count; ++entry) {
    const bool is_about = (device != kNoDevice && entry->device == device &&
                           (job == kNoJob || entry->job == kNoJob || entry->job == job)) ||
                          (job != kNoJob && entry->job == job && (device == kNoDevice || entry->device == kNoDevice));
    const bool is_general = entry->job == kNoJob && entry->device == kNoDevice && named > 0 && general < count;
    if (!is_about && !is_general) continue;
    ++(is_about ? named : general);
    chosen.push_back(&*entry);
  }
  std::string text;
  for (auto entry = chosen.rbegin(); entry != chosen.rend(); ++entry) {
    absl::StrAppendFormat(&text, "  %10.3f s  %s", absl::ToDoubleSeconds((*entry)->at), (*entry)->what);
    if ((*entry)->job != kNoJob) absl::StrAppend(&text, "  job ", (*entry)->job);
    if ((*entry)->device != kNoDevice) absl::StrAppend(&text, "  device ", (*entry)->device);
    absl::StrAppend(&text, "  (", (*entry)->first, ", ", (*entry)->second, ")\n");
  }
  return text;
}

}  // namespace fleetcast::sim
