#include "libs/postgres/statement.h"

#include <charconv>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status.h"
#include "libs/base/strings.h"
#include "libs/postgres/array.h"
#include "libs/postgres/reasons.h"

namespace fleetcast::postgres {

void Params::Add(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    status_.Update(MakeError(absl::StatusCode::kInvalidArgument, kInvalidValue, "text with a NUL byte"));
  }
  values_.emplace_back(text);
}

void Params::Add(double value) {
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof(buffer), value);
  values_.emplace_back(std::string(buffer, error == std::errc() ? end : buffer));
}

void Params::Add(Bytes bytes) { values_.emplace_back(absl::StrCat("\\x", absl::BytesToHexString(Absl(bytes.value)))); }

void Params::Add(absl::Time time) {
  values_.emplace_back(absl::FormatTime("%E4Y-%m-%d %H:%M:%E6S+00", time, absl::UTCTimeZone()));
}

void Params::Add(absl::Duration duration) {
  values_.emplace_back(absl::StrCat(absl::ToInt64Microseconds(duration), " microseconds"));
}

void Params::AddArrayOf(const Params& elements) {
  status_.Update(elements.status_);
  values_.emplace_back(ToArrayLiteral(elements.values_));
}

}  // namespace fleetcast::postgres
