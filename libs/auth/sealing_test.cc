#include "libs/auth/sealing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/base/status.h"
#include "libs/model/reasons.h"

namespace fleetcast::auth {
namespace {

constexpr char kOne[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr char kTwo[] = "HxwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEAHx4=";

SealingKeys Keys(const std::string& text) { return *SealingKeys::FromText(text); }

TEST(SealingKeysTest, OpensWhatItSealed) {
  const SealingKeys keys = Keys(kOne);
  for (const std::string& secret : {std::string(), std::string("s3cret"), std::string(300, '\0')}) {
    const std::string sealed = keys.Seal(secret, "d1");
    EXPECT_EQ(sealed.size(), secret.size() + 37);
    EXPECT_EQ(keys.Open(sealed, "d1").value(), secret);
  }
  EXPECT_EQ(keys.Seal("s3cret", "d1").find("s3cret"), std::string::npos);
}

TEST(SealingKeysTest, SealsDifferentlyEachTime) {
  const SealingKeys keys = Keys(kOne);
  EXPECT_NE(keys.Seal("same", "d1"), keys.Seal("same", "d1"));
}

TEST(SealingKeysTest, NoticesEveryChangedByteAndAnotherContext) {
  const SealingKeys keys = Keys(kOne);
  const std::string sealed = keys.Seal("s3cret", "d1");
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(keys.Open(changed, "d1").ok()) << i;
  }
  EXPECT_EQ(GetReason(keys.Open(sealed, "d2").status()), reasons::kDamagedSecret);
  EXPECT_EQ(GetReason(keys.Open("", "d1").status()), reasons::kDamagedSecret);
  EXPECT_EQ(GetReason(keys.Open(sealed.substr(0, 30), "d1").status()), reasons::kDamagedSecret);
}

TEST(SealingKeysTest, RotatesByPuttingANewKeyFirst) {
  const SealingKeys old = Keys(kOne);
  const std::string sealed = old.Seal("s3cret", "d1");
  const SealingKeys both = Keys(std::string("# new\n") + kTwo + "\n\n  " + kOne + "\r\n");
  EXPECT_EQ(both.Open(sealed, "d1").value(), "s3cret");
  EXPECT_FALSE(both.IsCurrent(sealed));
  const std::string anew = both.Seal("s3cret", "d1");
  EXPECT_TRUE(both.IsCurrent(anew));
  EXPECT_EQ(Keys(kTwo).Open(anew, "d1").value(), "s3cret");
  EXPECT_EQ(GetReason(Keys(kTwo).Open(sealed, "d1").status()), reasons::kUnknownSealingKey);
}

TEST(SealingKeysTest, NamesKeysWithoutTellingThem) {
  const SealingKeys both = Keys(std::string(kTwo) + "\n" + kOne);
  ASSERT_EQ(both.ids().size(), 2u);
  EXPECT_EQ(both.ids()[0].size(), 16u);
  EXPECT_EQ(SealingKeys::IdOf(both.Seal("x", "")), both.ids()[0]);
  EXPECT_EQ(Keys(kOne).ids()[0], both.ids()[1]);
}

TEST(SealingKeysTest, RefusesBadFilesWithoutRepeatingThem) {
  for (const std::string text :
       {"", "# nothing\n", "c2hvcnQ=", "not base64 at all, but long enough to be a key",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}) {
    const absl::Status status = SealingKeys::FromText(text).status();
    EXPECT_EQ(GetReason(status), reasons::kInvalidKey);
    EXPECT_EQ(std::string(status.message()).find("AAEC"), std::string::npos);
  }
}

}  // namespace
}  // namespace fleetcast::auth
