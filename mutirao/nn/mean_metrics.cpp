#include "mutirao/nn/mean_metrics.hpp"

#include <span>
#include <sstream>
#include <vector>

#include "mutirao/nn/internal/texts.hpp"

namespace mutirao::nn {

void MeanMetrics::add(const std::string& name, double value, double weight) {
  Sum& sum = sums_[name];
  sum.of_values += value * weight;
  sum.of_weights += weight;
}

std::map<std::string, double> MeanMetrics::average(comm::Communicator& ranks) {
  std::string names;
  for (const auto& [name, sum] : sums_) names += name + '\n';
  for (const std::string& text : internal::gather_texts(ranks, names)) {
    std::istringstream lines(text);
    for (std::string name; std::getline(lines, name);) sums_[name];
  }
  std::vector<double> numbers;
  for (const auto& [name, sum] : sums_) {
    numbers.push_back(sum.of_values);
    numbers.push_back(sum.of_weights);
  }
  ranks.all_reduce(std::span<double>(numbers)).wait();
  std::map<std::string, double> means;
  std::size_t next = 0;
  for (const auto& [name, sum] : sums_) {
    means[name] = numbers[next] / numbers[next + 1];
    next += 2;
  }
  sums_.clear();
  return means;
}

}  // namespace mutirao::nn
