// Arithmetic of the language on JSON number literals: exact decimals, never an error. A computed number is rounded to
// kPlaces decimal places (half away from zero) and undefined (nullopt) when it reaches 1e308. PostgreSQL's numeric
// computes the same in sql_numbers.cc; both stay in step through the property test. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "libs/query/query.h"

namespace fleetcast::query {

// Decimal places of computed numbers. Quotients are cut there, everything else is rounded.
inline constexpr int kPlaces = 40;
// Longest text that AS_NUMBER reads.
inline constexpr size_t kNumberTextMax = 400;

// Positions and lengths of SUBSTRING beyond this count as this.
inline constexpr size_t kCharactersMax = 100'000'000;

// Operands are JSON number literals, as json::Parse and Tokenize accept them; results are such literals too.
// Division by zero is undefined; a remainder has the sign of `a`.
std::optional<std::string> Calculate(Arithmetic arithmetic, std::string_view a, std::string_view b);

// -a.
std::string Negate(std::string_view a);

// ABS, CEILING, FLOOR, SIGN (exact), SQUARE, SQRT (undefined below zero), EXP (in double precision, 15 digits).
std::optional<std::string> CalculateUnary(Function function, std::string_view a);

// In double precision, 15 digits. Undefined: 0 to a negative power, a negative number to a fraction, exponents beyond
// a million, results beyond e^690.5; results below e^-700 are 0.
std::optional<std::string> Power(std::string_view base, std::string_view exponent);

// The number that `text` spells: JSON's grammar, at most kNumberTextMax characters and three digits of exponent.
std::optional<std::string> NumberOfText(std::string_view text);

// The whole part of `a` within 0 … `max` (larger ones become `max`); nullopt below zero. For positions in texts.
std::optional<size_t> WholePart(std::string_view a, size_t max);

// The exact sum of many numbers.
class NumberSum {
 public:
  NumberSum();
  ~NumberSum();
  NumberSum(const NumberSum&) = delete;
  NumberSum& operator=(const NumberSum&) = delete;

  void Add(std::string_view literal);
  std::string Text() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// What SUM and AVG answer for the exact sum and the number of summands (AVG: undefined for none).
std::optional<std::string> SumOf(std::string_view exact_sum);
std::optional<std::string> AverageOf(std::string_view exact_sum, int64_t count);

}  // namespace fleetcast::query
