#include "libs/telemetry/json_text.h"

#include "gtest/gtest.h"

namespace fleetcast::telemetry {
namespace {

std::string Json(std::string_view text, size_t bytes_max = 100) {
  std::string out;
  AppendJsonString(text, bytes_max, &out);
  return out;
}

TEST(JsonTextTest, KeepsPlainText) { EXPECT_EQ(Json("Tür 43 €😀"), "\"Tür 43 €😀\""); }

TEST(JsonTextTest, EscapesWhatJsonForbids) {
  EXPECT_EQ(Json("a\"b\\c\nd\te\r"), "\"a\\\"b\\\\c\\nd\\te\\r\"");
  EXPECT_EQ(Json(std::string_view("\0\x1b\x7f", 3)), "\"\\u0000\\u001b\\u007f\"");
}

TEST(JsonTextTest, EscapesBytesThatAreNotUtf8) {
  EXPECT_EQ(Json("\xff"
                 "a\xc3"),
            "\"\\u00ffa\\u00c3\"");
  EXPECT_EQ(Json("\xed\xa0\x80"), "\"\\u00ed\\u00a0\\u0080\"");  // A surrogate.
  EXPECT_EQ(Json("\xc0\x80"), "\"\\u00c0\\u0080\"");             // Overlong.
  EXPECT_EQ(Json("\xf4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\"");
}

TEST(JsonTextTest, CutsLongTextBetweenCharacters) {
  EXPECT_EQ(Json("abcdef", 4), "\"abcd…\"");
  EXPECT_EQ(Json("abc€", 4), "\"abc…\"");
}

}  // namespace
}  // namespace fleetcast::telemetry
