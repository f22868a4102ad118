// What a statement answers: rows of columns.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/check.h"

namespace pqxx {
class result;
}

namespace fleetcast::postgres {

namespace internal {
// Each reads Postgres' text form; false when it is not of that form.
bool Parse(std::string_view text, std::string& out);
bool Parse(std::string_view text, std::string_view& out);
bool Parse(std::string_view text, bool& out);
bool Parse(std::string_view text, int16_t& out);
bool Parse(std::string_view text, int32_t& out);
bool Parse(std::string_view text, int64_t& out);
bool Parse(std::string_view text, double& out);
bool Parse(std::string_view text, absl::Time& out);
bool Parse(std::string_view text, std::vector<std::string>& out);
bool Parse(std::string_view text, std::vector<int32_t>& out);
bool Parse(std::string_view text, std::vector<int64_t>& out);
// A bytea: "\x…" in hex.
bool ParseBytes(std::string_view text, std::string& out);
}  // namespace internal

// One row of a Result, which must outlive it. Columns are named by number (from 0) or by name. Reading a column that is
// not there, or as another type than it has, is a bug of the statement's author and ends the process.
class Row {
 public:
  // T: std::string, std::string_view (of the Result), bool, int16_t, int32_t, int64_t, double, absl::Time, vectors of
  // std::string, int32_t and int64_t, or std::optional of these, which is nullopt for NULL.
  template <typename T, typename Column>
  T Get(Column column) const {
    const std::optional<std::string_view> text = Text(column);
    if constexpr (IsOptional<T>::value) {
      if (!text.has_value()) return std::nullopt;
      return Parsed<typename T::value_type>(*text);
    } else {
      FLEETCAST_CHECK(text.has_value());
      return Parsed<T>(*text);
    }
  }

  // A bytea column; empty for NULL.
  template <typename Column>
  std::string GetBytes(Column column) const {
    std::string bytes;
    const std::optional<std::string_view> text = Text(column);
    FLEETCAST_CHECK(!text.has_value() || internal::ParseBytes(*text, bytes));
    return bytes;
  }

 private:
  friend class Result;
  template <typename T>
  struct IsOptional : std::false_type {};
  template <typename T>
  struct IsOptional<std::optional<T>> : std::true_type {};

  Row(const pqxx::result* result, int row) : result_(result), row_(row) {}

  template <typename T>
  static T Parsed(std::string_view text) {
    T value{};
    FLEETCAST_CHECK(internal::Parse(text, value));
    return value;
  }

  std::optional<std::string_view> Text(int column) const;
  std::optional<std::string_view> Text(const char* column) const;

  const pqxx::result* result_;
  int row_;
};

// The rows of one statement; a cheap handle. Immutable.
class Result {
 public:
  explicit Result(std::shared_ptr<const pqxx::result> result);

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  // Precondition: 0 <= row < size().
  Row operator[](int row) const { return {result_.get(), row}; }
  // How many rows an INSERT, UPDATE or DELETE touched.
  int64_t affected_rows() const;
  int columns() const;
  // The number of the column of that name, for reading many rows; nullopt when there is none.
  std::optional<int> FindColumn(std::string_view name) const;

  class Iterator {
   public:
    Iterator(const Result* result, int row) : result_(result), row_(row) {}
    Row operator*() const { return (*result_)[row_]; }
    Iterator& operator++() {
      ++row_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const Result* result_;
    int row_;
  };
  Iterator begin() const { return {this, 0}; }
  Iterator end() const { return {this, size_}; }

 private:
  std::shared_ptr<const pqxx::result> result_;
  int size_ = 0;
};

}  // namespace fleetcast::postgres
