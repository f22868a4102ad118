// Times in queries (query-language.md 4.1). The grammar is spelt out here, not left to a library, because PostgreSQL
// must take exactly the same texts for times.
#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "libs/query/query.h"

namespace fleetcast::query {
namespace {

class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : text_(text) {}

  bool is_at_end() const { return text_.empty(); }

  bool Take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  // A number of exactly `digits` digits in [min, max].
  bool Number(int digits, int min, int max, int& value) {
    value = 0;
    for (int i = 0; i < digits; ++i) {
      if (text_.empty() || !absl::ascii_isdigit(static_cast<unsigned char>(text_[0]))) return false;
      value = value * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
    }
    return value >= min && value <= max;
  }

  // Digits of a fraction of a second, at least one; those after the sixth are cut.
  bool Fraction(int& micros) {
    int digits = 0;
    micros = 0;
    while (!text_.empty() && absl::ascii_isdigit(static_cast<unsigned char>(text_[0]))) {
      if (digits < 6) micros = micros * 10 + (text_[0] - '0');
      ++digits;
      text_.remove_prefix(1);
    }
    for (int i = digits; i < 6; ++i) micros *= 10;
    return digits > 0;
  }

  // Z, +hh:mm, -hh:mm or nothing, up to the end.
  bool Zone(int& minutes_east) {
    minutes_east = 0;
    if (is_at_end()) return true;
    if (Take('Z')) return is_at_end();
    const bool is_west = text_.starts_with('-');
    int hours = 0;
    int minutes = 0;
    const bool is_good = (Take('+') || Take('-')) && Number(2, 0, 15, hours) && Take(':') && Number(2, 0, 59, minutes);
    minutes_east = (hours * 60 + minutes) * (is_west ? -1 : 1);
    return is_good && is_at_end();
  }

 private:
  std::string_view text_;
};

struct Clock {
  int hour = 0;
  int minute = 0;
  int second = 0;
  int micros = 0;
  int minutes_east = 0;
};

bool ReadClock(TimeReader& reader, Clock& clock) {
  if (!reader.Number(2, 0, 23, clock.hour) || !reader.Take(':') || !reader.Number(2, 0, 59, clock.minute)) return false;
  if (reader.Take(':')) {
    if (!reader.Number(2, 0, 59, clock.second)) return false;
    if (reader.Take('.') && !reader.Fraction(clock.micros)) return false;
  }
  return reader.Zone(clock.minutes_east);
}

}  // namespace

std::optional<std::string> NormalizeTime(std::string_view text) {
  TimeReader reader(text);
  int year = 0;
  int month = 0;
  int day = 0;
  Clock clock;
  const bool has_date = reader.Number(4, 1, 9999, year) && reader.Take('-') && reader.Number(2, 1, 12, month) &&
                        reader.Take('-') && reader.Number(2, 1, 31, day);
  if (!has_date) return std::nullopt;
  if (!reader.is_at_end() && (!reader.Take('T') || !ReadClock(reader, clock))) return std::nullopt;
  const absl::CivilDay date(year, month, day);
  if (date.day() != day) return std::nullopt;  // The calendar has no such day: it became another one.
  const absl::CivilSecond utc =
      absl::CivilSecond(year, month, day, clock.hour, clock.minute, clock.second) - clock.minutes_east * 60;
  if (utc.year() < 1 || utc.year() > 9999) return std::nullopt;
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", utc.year(), utc.month(), utc.day(), utc.hour(),
                         utc.minute(), utc.second(), clock.micros);
}

}  // namespace fleetcast::query
