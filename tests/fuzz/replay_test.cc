// Runs a fuzz target over its corpus, without libFuzzer: what once was a finding stays a test. Linked with one target
// each.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

TEST(FuzzReplayTest, TheCorpusIsHandled) {
  int inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(FLEETCAST_FUZZ_CORPUS)) {
    SCOPED_TRACE(entry.path());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()), 0);
    ++inputs;
  }
  EXPECT_GT(inputs, 0) << FLEETCAST_FUZZ_CORPUS << " is empty";
}
