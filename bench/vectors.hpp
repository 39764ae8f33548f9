#pragma once
/// \file
/// Vectors to measure indices with: of a file, or made.

#include <loquat/format/vectors.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Vectors of one length.
struct vectors {
  std::size_t dimensions = 0;
  std::vector<float> rows; ///< [size × dimensions]

  std::size_t size() const { return dimensions == 0 ? 0 : rows.size() / dimensions; }
  std::span<float const> operator[](std::size_t i) const { return std::span(rows).subspan(i * dimensions, dimensions); }
};

/// Those of a file: fvecs, bvecs, npy, csv.
inline loquat::result<vectors> load_vectors(std::string const& path) {
  auto const file = loquat::vector_file::open(path);
  if (!file) return file.error();
  vectors v{file->dimensions(), std::vector<float>(file->size() * file->dimensions())};
  if (auto read = file->read(0, std::span<float>(v.rows)); !read) return read.error();
  return v;
}

/// Vectors `first` … `first` + n of an endless series: points of curved surfaces in 200 clusters, and a little noise.
class synthetic {
 public:
  explicit synthetic(std::size_t dimensions)
      : d_(dimensions), flat_(d_ * latent), curved_(d_ * latent), centres_(d_ * clusters) {
    random r{1};
    for (float& v : flat_) v = r.normal();
    for (float& v : curved_) v = 0.4f * r.normal();
    for (float& v : centres_) v = 2.5f * r.normal();
  }
  vectors sample(std::uint64_t first, std::size_t n) const {
    vectors out{d_, std::vector<float>(n * d_)};
    for (std::size_t i = 0; i < n; ++i) {
      random r{(first + i + 1) * 0x9e3779b97f4a7c15u};
      float const u = r.uniform();
      auto const cluster = static_cast<std::size_t>(u * u * clusters); // of uneven sizes
      float z[latent];
      for (float& v : z) v = r.normal();
      for (std::size_t d = 0; d < d_; ++d) {
        float x = centres_[cluster * d_ + d] + 0.3f * r.normal();
        for (std::size_t l = 0; l < latent; ++l) {
          std::size_t const turned = (l + cluster) % latent; // every cluster lies in another direction
          x += flat_[d * latent + turned] * z[l] + curved_[d * latent + turned] * z[l] * z[(l + 1) % latent];
        }
        out.rows[i * d_ + d] = x;
      }
    }
    return out;
  }

 private:
  static constexpr std::size_t latent = 32, clusters = 200;
  struct random {
    std::uint64_t state;
    float uniform() { // below 1
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      return static_cast<float>(state >> 41) * 0x1p-23f;
    }
    float normal() { return (uniform() + uniform() + uniform() + uniform() - 2) * 1.7320508f; }
  };
  std::size_t d_;
  std::vector<float> flat_, curved_, centres_;
};

} // namespace bench
