#include "libs/query/numbers.h"

#include <algorithm>
#include <boost/multiprecision/cpp_int.hpp>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace fleetcast::query {
namespace {

using Integer = boost::multiprecision::cpp_int;

constexpr unsigned kLimitDigits = 308;  // Computed numbers stay below 1e308.
constexpr double kExponentMax = 690.5;  // Of e: above, results are undefined.
constexpr double kExponentMin = -700;   // Below, they are 0.

Integer PowerOfTen(unsigned exponent) { return boost::multiprecision::pow(Integer(10), exponent); }

// mantissa / 10^scale.
struct Decimal {
  Integer mantissa = 0;
  unsigned scale = 0;

  bool is_zero() const { return mantissa.is_zero(); }
  bool is_negative() const { return mantissa < 0; }
};

Decimal Read(std::string_view literal) {
  Decimal decimal;
  std::string digits;
  bool is_negative = false;
  int exponent = 0;
  int fraction = 0;
  bool in_fraction = false;
  for (size_t i = 0; i < literal.size(); ++i) {
    const char c = literal[i];
    if (c == '-') {
      is_negative = true;
    } else if (c == '.') {
      in_fraction = true;
    } else if (absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      digits.push_back(c);
      fraction += in_fraction ? 1 : 0;
    } else if (c == 'e' || c == 'E') {
      std::string_view rest = literal.substr(i + 1);
      if (rest.starts_with('+')) rest.remove_prefix(1);
      std::from_chars(rest.data(), rest.data() + rest.size(), exponent);
      break;
    }
  }
  const size_t first = digits.find_first_not_of('0');  // A leading zero would make it octal.
  if (first != std::string::npos) decimal.mantissa = Integer(digits.substr(first));
  if (is_negative) decimal.mantissa = -decimal.mantissa;
  const int scale = fraction - exponent;
  if (scale < 0) decimal.mantissa *= PowerOfTen(static_cast<unsigned>(-scale));
  decimal.scale = static_cast<unsigned>(std::max(scale, 0));
  return decimal;
}

std::string Write(const Decimal& decimal) {
  std::string digits = Integer(abs(decimal.mantissa)).str();
  if (digits.size() <= decimal.scale) digits.insert(0, decimal.scale + 1 - digits.size(), '0');
  if (decimal.scale > 0) {
    digits.insert(digits.size() - decimal.scale, 1, '.');
    digits.erase(digits.find_last_not_of('0') + 1);
    if (digits.back() == '.') digits.pop_back();
  }
  return (decimal.is_negative() ? "-" : "") + digits;
}

// Brings both to one scale.
void Align(Decimal& a, Decimal& b) {
  Decimal& smaller = a.scale < b.scale ? a : b;
  const unsigned scale = std::max(a.scale, b.scale);
  smaller.mantissa *= PowerOfTen(scale - smaller.scale);
  smaller.scale = scale;
}

// Exactly `places` decimal places, half away from zero.
Decimal Rounded(Decimal decimal, unsigned places) {
  if (decimal.scale <= places) {
    decimal.mantissa *= PowerOfTen(places - decimal.scale);
  } else {
    const Integer unit = PowerOfTen(decimal.scale - places);
    const Integer rest = abs(decimal.mantissa % unit);
    const int away = decimal.is_negative() ? -1 : 1;
    decimal.mantissa /= unit;
    if (2 * rest >= unit) decimal.mantissa += away;
  }
  decimal.scale = places;
  return decimal;
}

std::optional<std::string> Finished(Decimal decimal) {
  decimal = Rounded(std::move(decimal), kPlaces);
  if (abs(decimal.mantissa) >= PowerOfTen(kLimitDigits + kPlaces)) return std::nullopt;
  return Write(decimal);
}

Decimal Product(const Decimal& a, const Decimal& b) { return {a.mantissa * b.mantissa, a.scale + b.scale}; }

Decimal Floor(const Decimal& decimal) {
  const Integer unit = PowerOfTen(decimal.scale);
  Integer whole = decimal.mantissa / unit;
  if (decimal.is_negative() && whole * unit != decimal.mantissa) --whole;
  return {whole, 0};
}

// The nearest at kPlaces places of the root of what is nearest to it there.
std::optional<std::string> SquareRoot(const Decimal& decimal) {
  const Decimal rounded = Rounded(decimal, kPlaces);
  if (rounded.is_negative()) return std::nullopt;
  const Integer square = rounded.mantissa * PowerOfTen(kPlaces);
  Integer rest;
  Integer root = boost::multiprecision::sqrt(square, rest);
  if (rest > root) ++root;
  return Finished({root, kPlaces});
}

double AsDouble(const Decimal& decimal) { return std::strtod(Write(decimal).c_str(), nullptr); }

// 15 digits of a finite double: what PostgreSQL keeps of a double precision.
std::optional<std::string> OfDouble(double value) { return Finished(Read(absl::StrFormat("%.15g", value))); }

std::optional<std::string> Exponential(const Decimal& decimal) {
  const double x = AsDouble(Rounded(decimal, kPlaces));
  if (x >= kExponentMax) return std::nullopt;
  return x < kExponentMin ? "0" : OfDouble(std::exp(x));
}

}  // namespace

std::optional<std::string> Calculate(Arithmetic arithmetic, std::string_view a, std::string_view b) {
  Decimal x = Read(a);
  Decimal y = Read(b);
  const bool divides = arithmetic == Arithmetic::kDivide || arithmetic == Arithmetic::kRemainder;
  if (divides && y.is_zero()) return std::nullopt;
  if (arithmetic == Arithmetic::kMultiply) return Finished(Product(x, y));
  Align(x, y);
  switch (arithmetic) {
    case Arithmetic::kAdd: return Finished({x.mantissa + y.mantissa, x.scale});
    case Arithmetic::kSubtract: return Finished({x.mantissa - y.mantissa, x.scale});
    case Arithmetic::kDivide: return Finished({x.mantissa * PowerOfTen(kPlaces) / y.mantissa, kPlaces});
    default: return Finished({x.mantissa % y.mantissa, x.scale});
  }
}

std::string Negate(std::string_view a) {
  Decimal decimal = Read(a);
  decimal.mantissa = -decimal.mantissa;
  return Write(decimal);
}

std::optional<std::string> CalculateUnary(Function function, std::string_view a) {
  Decimal x = Read(a);
  switch (function) {
    case Function::kAbs: return Write({abs(x.mantissa), x.scale});
    case Function::kFloor: return Write(Floor(x));
    case Function::kCeiling: {
      const Decimal below = Floor({-x.mantissa, x.scale});
      return Write({-below.mantissa, 0});
    }
    case Function::kSign: return std::string(x.is_zero() ? "0" : (x.is_negative() ? "-1" : "1"));
    case Function::kSquare: return Finished(Product(x, x));
    case Function::kSqrt: return SquareRoot(x);
    case Function::kExp: return Exponential(x);
    default: return std::nullopt;
  }
}

std::optional<std::string> Power(std::string_view base, std::string_view exponent) {
  const Decimal x = Rounded(Read(base), kPlaces);
  const Decimal y = Rounded(Read(exponent), kPlaces);
  const Integer limit = PowerOfTen(kLimitDigits + kPlaces);
  if (abs(y.mantissa) > PowerOfTen(6 + kPlaces) || abs(x.mantissa) >= limit) return std::nullopt;
  if (x.is_zero()) {
    if (y.is_negative()) return std::nullopt;
    return std::string(y.is_zero() ? "1" : "0");
  }
  if (x.is_negative() && !(y.mantissa % PowerOfTen(kPlaces)).is_zero()) return std::nullopt;
  const double e = AsDouble(y) * std::log(std::fabs(AsDouble(x)));
  if (e > kExponentMax) return std::nullopt;
  return e < kExponentMin ? "0" : OfDouble(std::pow(AsDouble(x), AsDouble(y)));
}

std::optional<std::string> NumberOfText(std::string_view text) {
  if (text.size() > kNumberTextMax) return std::nullopt;
  size_t at = 0;
  const auto take_digits = [&] {
    const size_t begin = at;
    while (at < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[at]))) ++at;
    return at - begin;
  };
  if (text.starts_with('-')) ++at;
  const size_t whole = at;
  const size_t whole_digits = take_digits();
  if (whole_digits == 0 || (whole_digits > 1 && text[whole] == '0')) return std::nullopt;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (take_digits() == 0) return std::nullopt;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const size_t digits = take_digits();
    if (digits == 0 || digits > 3) return std::nullopt;
  }
  if (at != text.size()) return std::nullopt;
  return Finished(Read(text));
}

std::optional<size_t> WholePart(std::string_view a, size_t max) {
  const Decimal whole = Floor(Read(a));
  if (whole.is_negative()) return std::nullopt;
  return whole.mantissa > max ? max : static_cast<size_t>(whole.mantissa);
}

struct NumberSum::State {
  Decimal sum;
};

NumberSum::NumberSum() : state_(std::make_unique<State>()) {}
NumberSum::~NumberSum() = default;

void NumberSum::Add(std::string_view literal) {
  Decimal summand = Read(literal);
  Align(state_->sum, summand);
  state_->sum.mantissa += summand.mantissa;
}

std::string NumberSum::Text() const { return Write(state_->sum); }

std::optional<std::string> SumOf(std::string_view exact_sum) { return Finished(Read(exact_sum)); }

std::optional<std::string> AverageOf(std::string_view exact_sum, int64_t count) {
  if (count == 0) return std::nullopt;
  // Twice as many digits as a double holds: nobody wants forty.
  constexpr unsigned kAveragePlaces = 30;
  Decimal sum = Read(exact_sum);
  sum.mantissa = sum.mantissa * PowerOfTen(kPlaces) / count;
  sum.scale += kPlaces;
  return Finished(Rounded(std::move(sum), kAveragePlaces));
}

}  // namespace fleetcast::query
