namespace loquat::kernel::inline LOQUAT_SIMD_ABI {

template <> struct bit_counts<simd::LOQUAT_TARGET_NS::this_target> {
  static void planes(row_list const& list, std::uint64_t const* query, std::size_t planes, std::size_t words,
                     std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      for (std::size_t j = 0; j < N; ++j) {
        std::int64_t total = 0;
        for (std::size_t b = 0; b < planes; ++b) {
          std::int64_t common = 0;
          for (std::size_t w = 0; w < words; ++w) common += std::popcount(rows[j][w] & query[b * words + w]);
          total += (b + 1 == planes ? -common : common) * (std::int64_t{1} << b);
        }
        out[i + j] = static_cast<std::int32_t>(total);
      }
    });
  }

  static void differences(row_list const& list, std::uint64_t const* query, std::size_t words,
                          std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      for (std::size_t j = 0; j < N; ++j) {
        int total = 0;
        for (std::size_t w = 0; w < words; ++w) total += std::popcount(rows[j][w] ^ query[w]);
        out[i + j] = total;
      }
    });
  }

  static void commons(row_list const& list, std::uint64_t const* query, std::size_t words, std::int32_t* out) noexcept {
    in_groups<std::uint64_t>(list, [&]<std::size_t N>(std::uint64_t const* const (&rows)[N], std::size_t i) {
      for (std::size_t j = 0; j < N; ++j) {
        int both = 0, either = 0;
        for (std::size_t w = 0; w < words; ++w) {
          both += std::popcount(rows[j][w] & query[w]);
          either += std::popcount(rows[j][w] | query[w]);
        }
        out[2 * (i + j)] = both, out[2 * (i + j) + 1] = either;
      }
    });
  }
};

} // namespace loquat::kernel::inline LOQUAT_SIMD_ABI
