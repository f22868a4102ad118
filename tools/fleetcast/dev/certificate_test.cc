#include "tools/fleetcast/dev/certificate.h"

#include <filesystem>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "absl/strings/str_split.h"
#include "tools/fleetcast/files.h"

namespace fleetcast::dev {
namespace {

class CertificateTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(files::MakeDirectory(directory_, 0700).ok()); }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Text(const std::string& name) { return files::Read(directory_ + "/" + name).value(); }

  const std::string directory_ = testing::TempDir() + "/certificates." + std::to_string(getpid());
};

TEST_F(CertificateTest, KeepsWhatIsGood) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost", "127.0.0.1"}).ok());
  const std::string server = Text(kServerCertificateFile);
  ASSERT_TRUE(EnsureCertificates(directory_, {"127.0.0.1"}).ok());
  EXPECT_EQ(Text(kServerCertificateFile), server);
}

TEST_F(CertificateTest, ANewNameGetsANewCertificateOfTheSameAuthority) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  const std::string ca = Text(kCaCertificateFile);
  const std::string server = Text(kServerCertificateFile);
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost", "hub.test.local"}).ok());
  EXPECT_EQ(Text(kCaCertificateFile), ca);
  EXPECT_NE(Text(kServerCertificateFile), server);
}

TEST_F(CertificateTest, KeysAreForTheirOwnerOnly) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  struct stat found = {};
  ASSERT_EQ(stat((directory_ + "/" + kServerKeyFile).c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600);
}

TEST_F(CertificateTest, ARuinedFileIsMadeAnew) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  ASSERT_TRUE(files::Replace(directory_ + "/" + kServerCertificateFile, "junk", 0644).ok());
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  EXPECT_NE(Text(kServerCertificateFile), "junk");
}

TEST_F(CertificateTest, ClientsTrustBothAuthorities) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  const std::string ca = Text(kCaCertificateFile);
  EXPECT_EQ(std::vector<std::string>(absl::StrSplit(ca, "BEGIN CERTIFICATE")).size(), 3u);
  EXPECT_NE(Text(kServerCertificateFile), Text(kRsaServerCertificateFile));
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  EXPECT_EQ(Text(kCaCertificateFile), ca);
}

TEST_F(CertificateTest, AnAuthorityOfOldIsKeptAndJoined) {
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  const std::string both = Text(kCaCertificateFile);
  const std::string first = both.substr(0, both.find("-----BEGIN", 1));
  ASSERT_TRUE(files::Replace(directory_ + "/" + kCaCertificateFile, first, 0644).ok());
  ASSERT_TRUE(EnsureCertificates(directory_, {"localhost"}).ok());
  EXPECT_EQ(Text(kCaCertificateFile), both);
}

TEST_F(CertificateTest, RefusesNamesThatAreNone) { EXPECT_FALSE(EnsureCertificates(directory_, {""}).ok()); }

}  // namespace
}  // namespace fleetcast::dev
