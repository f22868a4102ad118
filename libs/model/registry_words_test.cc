#include "libs/model/registry_words.h"

#include "gtest/gtest.h"

namespace fleetcast {
namespace {

TEST(RegistryWordsTest, WordsAreFoundInAnyCaseAndOthersAreNot) {
  EXPECT_EQ(NumberOfWord(kStatusWords, "Disabled"), 2);
  EXPECT_EQ(NumberOfWord(kAuthenticationTypeWords, "CERTIFICATEAUTHORITY"), 3);
  EXPECT_EQ(NumberOfWord(kImportModeWords, "createOrUpdateIfMatchEtag"), 9);
  for (const std::string_view text : {"", "none", "enable"}) EXPECT_EQ(NumberOfWord(kStatusWords, text), 0) << text;
}

TEST(RegistryWordsTest, UnknownNumbersAreCalledAsTheFirst) {
  EXPECT_EQ(WordOfNumber(kAuthenticationTypeWords, 2), "selfSigned");
  for (const int number : {-1, 0, 1, 4}) EXPECT_EQ(WordOfNumber(kAuthenticationTypeWords, number), "sas") << number;
}

}  // namespace
}  // namespace fleetcast
