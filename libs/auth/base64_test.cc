#include "libs/auth/base64.h"

#include <gtest/gtest.h>

namespace fleetcast::auth {
namespace {

TEST(Base64Test, EncodesWithPadding) {
  EXPECT_EQ(Base64Encode(""), "");
  EXPECT_EQ(Base64Encode("\xff\xfe"), "//4=");
}

TEST(Base64Test, DecodesWhatItEncodes) { EXPECT_EQ(Base64Decode("//4="), "\xff\xfe"); }

TEST(Base64Test, RefusesBlanksMissingPaddingStrayBitsAndOtherAlphabets) {
  for (const char* text : {" //4=", "//4", "//5=", "__4=", "//4==", "a"}) {
    EXPECT_FALSE(Base64Decode(text).has_value()) << text;
  }
}

TEST(PercentTest, DecodesOnceAndLeavesPlusAlone) { EXPECT_EQ(PercentDecode("a%2Fb%2fc+d%2541"), "a/b/c+d%41"); }

TEST(PercentTest, RefusesAnIncompleteEscape) {
  for (const char* text : {"%", "a%2", "%zz", "%4g"}) EXPECT_FALSE(PercentDecode(text).has_value()) << text;
}

TEST(PercentTest, EncodesEverythingThatIsNotUnreserved) {
  EXPECT_EQ(PercentEncode("hub/devices/a+b=~"), "hub%2Fdevices%2Fa%2Bb%3D~");
}

}  // namespace
}  // namespace fleetcast::auth
