#include "libs/model/registry_words.h"

#include <cstddef>

#include "absl/strings/match.h"
#include "libs/base/strings.h"

namespace fleetcast {

int NumberOfWord(RegistryWords words, std::string_view text) {
  for (size_t number = 1; number < words.size(); ++number) {
    if (absl::EqualsIgnoreCase(Absl(words[number]), Absl(text))) return static_cast<int>(number);
  }
  return 0;
}

std::string_view WordOfNumber(RegistryWords words, int number) {
  const bool is_known = number > 0 && static_cast<size_t>(number) < words.size();
  return words[is_known ? static_cast<size_t>(number) : 1];
}

}  // namespace fleetcast
