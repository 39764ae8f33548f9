#pragma once
/// \file
/// The public contracts in one place. Each is explained where it is defined: what it is for, who calls it, the smallest
/// conforming type, its neighbours.
///
/// | concept | header | in a word |
/// |---|---|---|
/// | `Tokenizer` | tokenizer/tokenizer.hpp | text ↔ token ids |
/// | `ModelBuilder` | model/transformer.hpp | file → `Model` on a `Backend` |
/// | `Backend` | backend/backend.hpp | where tensors live, and the operations on them |
/// | `Plugin` | plugin/plugin.hpp | identity, attach, detach, capabilities |
/// | `Model` | model/model.hpp | tokens → logits |
/// | `EvictionPolicy` | model/eviction.hpp | what a full context forgets |
/// | `Sampler` | generate/sampler.hpp | logits → token |
/// | `BlockFormat` | quant/block.hpp | how weights are stored |
/// | `Embedder` | embed/embedder.hpp | text → vector |
/// | `VectorIndex` | index/vector_index.hpp | vector → nearest keys |
/// | `Metric` | index/metric.hpp | what near means |
/// | `Codec` | index/codec.hpp | how vectors are kept |
/// | `Executor` | parallel/executor.hpp | threads for a backend's loops |

#include <loquat/backend/backend.hpp>
#include <loquat/embed/embedder.hpp>
#include <loquat/generate/sampler.hpp>
#include <loquat/index/codec.hpp>
#include <loquat/index/metric.hpp>
#include <loquat/index/vector_index.hpp>
#include <loquat/model/eviction.hpp>
#include <loquat/model/model.hpp>
#include <loquat/model/transformer.hpp>
#include <loquat/parallel/executor.hpp>
#include <loquat/plugin/plugin.hpp>
#include <loquat/quant/block.hpp>
#include <loquat/tokenizer/tokenizer.hpp>
