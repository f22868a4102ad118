// "Did you mean …": the nearest of a few words.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fleetcast::cli {

// How many letters must be inserted, deleted, replaced or swapped with their neighbour to turn one word into the other.
int EditDistance(std::string_view a, std::string_view b);

// The candidate that `word` is most likely a misspelling of; empty when none is near.
std::string Suggest(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace fleetcast::cli
