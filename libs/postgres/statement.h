// Named statements and their parameters.
//
//   constexpr Statement kFind{"jobs_find", "SELECT seq FROM jobs.job WHERE id = $1"};
//   FLEETCAST_ASSIGN_OR_RETURN(const Result found, transaction.Run(kFind, job_id));
//
// A statement is prepared once per connection, when it is first used there. Values travel as parameters, never as text
// within SQL.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace fleetcast::postgres {

// SQL with parameters $1 … $n under a name that is unique within the process. Declare as a constant.
struct Statement {
  const char* name;
  const char* sql;
};

// A value for a bytea parameter: any bytes.
struct Bytes {
  std::string_view value;
};

// A list of parameters in Postgres' text form. Text must not hold a NUL byte (status() then tells so and the statement
// is not sent) and must be UTF-8 (else the database answers kInvalidArgument).
class Params {
 public:
  Params() = default;
  template <typename... Args>
  static Params Of(const Args&... args) {
    Params params;
    params.values_.reserve(sizeof...(args));
    (params.Add(args), ...);
    return params;
  }

  void Add(std::string_view text);
  void Add(const std::string& text) { Add(std::string_view(text)); }
  void Add(const char* text) { Add(std::string_view(text)); }
  void Add(std::nullopt_t) { values_.emplace_back(); }
  void Add(bool value) { values_.emplace_back(value ? "t" : "f"); }
  template <std::integral Int>
  void Add(Int value) {
    values_.emplace_back(std::to_string(value));
  }
  void Add(double value);
  void Add(Bytes bytes);
  void Add(absl::Time time);          // timestamptz, cut to microseconds.
  void Add(absl::Duration duration);  // interval, cut to microseconds.

  // Arrays, for instance for unnest($1::bigint[]).
  template <typename Value>
  void Add(const std::vector<Value>& values) {
    AddArray(std::span<const Value>(values));
  }
  void Add(std::span<const std::string> values) { AddArray(values); }

  template <typename Value>
  void Add(const std::optional<Value>& value) {
    if (value.has_value()) {
      Add(*value);
    } else {
      Add(std::nullopt);
    }
  }

  // InvalidArgument when a value cannot be sent.
  const absl::Status& status() const { return status_; }
  // In order; nullopt = NULL.
  const std::vector<std::optional<std::string>>& values() const { return values_; }

 private:
  // An array literal of the elements' text forms.
  template <typename Value>
  void AddArray(std::span<const Value> values) {
    Params elements;
    elements.values_.reserve(values.size());
    for (const Value& value : values) elements.Add(value);
    AddArrayOf(elements);
  }
  void AddArrayOf(const Params& elements);

  std::vector<std::optional<std::string>> values_;
  absl::Status status_;
};

}  // namespace fleetcast::postgres
