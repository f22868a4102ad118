#include "libs/query/numbers.h"

#include <gtest/gtest.h>

#include <string>

namespace fleetcast::query {
namespace {

using Result = std::optional<std::string>;

TEST(NumbersTest, SumsAndProductsAreExact) {
  EXPECT_EQ(Calculate(Arithmetic::kAdd, "0.1", "0.2"), "0.3");
  EXPECT_EQ(Calculate(Arithmetic::kSubtract, "9007199254740993", "1"), "9007199254740992");
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "-1.50", "2e1"), "-30");
  EXPECT_EQ(Calculate(Arithmetic::kAdd, "1e-40", "1"), "1.0000000000000000000000000000000000000001");
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "5e-41", "1"), "0.0000000000000000000000000000000000000001");
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "4e-41", "1"), "0");
}

TEST(NumbersTest, QuotientsAreCutAndRemaindersFollowTheDividend) {
  EXPECT_EQ(Calculate(Arithmetic::kDivide, "2", "3"), "0." + std::string(40, '6'));
  EXPECT_EQ(Calculate(Arithmetic::kDivide, "-7", "2"), "-3.5");
  EXPECT_EQ(Calculate(Arithmetic::kRemainder, "-7", "2"), "-1");
  EXPECT_EQ(Calculate(Arithmetic::kRemainder, "7.5", "-2"), "1.5");
  EXPECT_EQ(Calculate(Arithmetic::kDivide, "1", "0.0"), std::nullopt);
  EXPECT_EQ(Calculate(Arithmetic::kRemainder, "1", "0"), std::nullopt);
}

TEST(NumbersTest, WhatReaches1e308IsUndefined) {
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "1e200", "1e108"), std::nullopt);
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "-1e200", "1e108"), std::nullopt);
  EXPECT_EQ(Calculate(Arithmetic::kMultiply, "1e200", "1e107"), "1" + std::string(307, '0'));
  EXPECT_EQ(Calculate(Arithmetic::kDivide, "1", "1e-308"), std::nullopt);
}

TEST(NumbersTest, Functions) {
  EXPECT_EQ(CalculateUnary(Function::kAbs, "-2.50"), "2.5");
  EXPECT_EQ(CalculateUnary(Function::kFloor, "-2.1"), "-3");
  EXPECT_EQ(CalculateUnary(Function::kCeiling, "-2.1"), "-2");
  EXPECT_EQ(CalculateUnary(Function::kCeiling, "2.1"), "3");
  EXPECT_EQ(CalculateUnary(Function::kSign, "-0.0"), "0");
  EXPECT_EQ(CalculateUnary(Function::kSquare, "1.1"), "1.21");
  EXPECT_EQ(CalculateUnary(Function::kSqrt, "6.25"), "2.5");
  EXPECT_EQ(CalculateUnary(Function::kSqrt, "2"), "1.4142135623730950488016887242096980785697");
  EXPECT_EQ(CalculateUnary(Function::kSqrt, "-0.1"), std::nullopt);
  EXPECT_EQ(CalculateUnary(Function::kExp, "0"), "1");
  EXPECT_EQ(CalculateUnary(Function::kExp, "1"), "2.71828182845905");
  EXPECT_EQ(CalculateUnary(Function::kExp, "-1e300"), "0");
  EXPECT_EQ(CalculateUnary(Function::kExp, "691"), std::nullopt);
  EXPECT_EQ(Power("2", "10"), "1024");
  EXPECT_EQ(Power("-2", "3"), "-8");
  EXPECT_EQ(Power("2", "-1"), "0.5");
  EXPECT_EQ(Power("0", "0"), "1");
  for (const auto& [base, exponent] : {std::pair("0", "-1"), {"-8", "0.5"}, {"10", "400"}, {"1", "1e7"}}) {
    EXPECT_EQ(Power(base, exponent), std::nullopt) << base << " " << exponent;
  }
}

TEST(NumbersTest, ReadsNumbersInTexts) {
  EXPECT_EQ(NumberOfText("-1.50e2"), "-150");
  EXPECT_EQ(NumberOfText("007"), std::nullopt);
  for (const char* text : {"", " 1", "1 ", "+1", "1.", ".5", "1e", "1e1000", "0x10", "NaN", "1\n", "--1", "1e999"}) {
    EXPECT_EQ(NumberOfText(text), std::nullopt) << text;
  }
  EXPECT_EQ(NumberOfText(std::string(401, '1')), std::nullopt);
}

TEST(NumbersTest, AggregatesAreExact) {
  NumberSum sum;
  for (int i = 0; i < 10; ++i) sum.Add("0.1");
  EXPECT_EQ(SumOf(sum.Text()), "1");
  EXPECT_EQ(AverageOf("10", 4), "2.5");
  EXPECT_EQ(AverageOf("1", 3), "0." + std::string(30, '3'));
  EXPECT_EQ(AverageOf("0", 0), std::nullopt);
  EXPECT_EQ(SumOf("1" + std::string(308, '0')), std::nullopt);
}

TEST(NumbersTest, WholeParts) {
  EXPECT_EQ(WholePart("2.9", 10), 2u);
  EXPECT_EQ(WholePart("1e300", 10), 10u);
  EXPECT_EQ(WholePart("-0.1", 10), std::nullopt);
}

}  // namespace
}  // namespace fleetcast::query
