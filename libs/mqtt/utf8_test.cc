#include "libs/mqtt/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace fleetcast::mqtt {
namespace {

using namespace std::string_literals;

// Tests `text` at every position of a word, since whole words take a way of their own.
bool IsTextAnywhere(const std::string& text) {
  const bool verdict = IsMqttText(text);
  for (size_t before = 0; before < 9; ++before) {
    for (size_t after = 0; after < 9; ++after) {
      EXPECT_EQ(IsMqttText(std::string(before, 'a') + text + std::string(after, '~')), verdict);
    }
  }
  return verdict;
}

TEST(Utf8Test, AcceptsWellFormedText) {
  for (const std::string& text : {""s, " "s, "$iothub/methods/POST/#"s, "\xc2\xa0"s, "\xe2\x82\xac"s,
                                  "\xf0\x9f\x9a\xaa"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xf4\x8f\xbf\xbd"s}) {
    EXPECT_TRUE(IsTextAnywhere(text)) << text;
  }
}

TEST(Utf8Test, Mqtt1_4_0_1RefusesIllFormedText) {
  for (const std::string& text :
       {"\x80"s, "\xbf"s, "\xc0\x80"s, "\xc1\xbf"s, "\xe0\x80\x80"s, "\xe0\x9f\xbf"s, "\xf0\x80\x80\x80"s,
        "\xf0\x8f\xbf\xbf"s, "\xf4\x90\x80\x80"s, "\xf5\x80\x80\x80"s, "\xff"s, "\xed\xa0\x80"s, "\xed\xbf\xbf"s,
        "\xc2"s, "\xe2\x82"s, "\xf0\x9f\x9a"s, "\xc2 "s, "\xe2\x82 "s}) {
    EXPECT_FALSE(IsTextAnywhere(text));
  }
}

TEST(Utf8Test, Mqtt1_4_0_2RefusesNul) { EXPECT_FALSE(IsTextAnywhere("\0"s)); }

TEST(Utf8Test, Mqtt1_4_0_3KeepsByteOrderMarks) { EXPECT_TRUE(IsTextAnywhere("\xef\xbb\xbf"s)); }

TEST(Utf8Test, Mqtt1_5_3RefusesControlCharactersAndNonCharacters) {
  for (char c = 1; c < 0x20; ++c) EXPECT_FALSE(IsTextAnywhere(std::string(1, c)));
  for (const std::string& text : {"\x7f"s, "\xc2\x80"s, "\xc2\x9f"s, "\xef\xb7\x90"s, "\xef\xb7\xaf"s, "\xef\xbf\xbe"s,
                                  "\xef\xbf\xbf"s, "\xf4\x8f\xbf\xbf"s}) {
    EXPECT_FALSE(IsTextAnywhere(text));
  }
}

TEST(Utf8Test, StringsThatAreNoNamesMayHoldControlCharacters) {
  EXPECT_TRUE(IsMqttString("line\nline\x7f\xef\xbf\xbf"));
  EXPECT_FALSE(IsMqttString("\0"s));
  EXPECT_FALSE(IsMqttString("\xed\xa0\x80"));
  EXPECT_FALSE(IsMqttString("12345678\xff"));
}

TEST(Utf8Test, PayloadsMayHoldNul) {
  EXPECT_TRUE(IsUtf8("\0\n\xe2\x82\xac"s));
  EXPECT_FALSE(IsUtf8("\xe2\x82"));
}

}  // namespace
}  // namespace fleetcast::mqtt
