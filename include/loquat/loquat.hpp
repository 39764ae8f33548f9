#pragma once
/// \file
/// Everything, with one `#include`. Each header also stands alone.
///
/// \code
/// auto file  = loquat::gguf::open("model.gguf").value();   // mapped, not copied
/// loquat::cpu machine;                                     // the best kernels of this CPU
/// auto model = loquat::load(file, machine).value();        // any architecture of the zoo
/// auto tok   = loquat::tokenizer_from(file).value();
/// auto talk  = model.make_session({.context = 4096}).value(); // the last allocation
/// for (std::string_view piece : prompt | encode(tok) | generate(model, talk, {.max_tokens = 256}) | decode(tok))
///   std::cout << piece << std::flush;
/// \endcode

#include <loquat/backend/cpu.hpp>
#include <loquat/backend/reference.hpp>
#include <loquat/concepts.hpp>
#include <loquat/convert/hugging_face.hpp>
#include <loquat/convert/peft.hpp>
#include <loquat/convert/save.hpp>
#include <loquat/core/version.hpp>
#include <loquat/embed/embed.hpp>
#include <loquat/embed/text_embedder.hpp>
#include <loquat/format/gguf.hpp>
#include <loquat/format/gguf_writer.hpp>
#include <loquat/format/safetensors.hpp>
#include <loquat/format/safetensors_writer.hpp>
#include <loquat/format/vectors.hpp>
#include <loquat/generate/adjust.hpp>
#include <loquat/generate/choose.hpp>
#include <loquat/generate/decode.hpp>
#include <loquat/generate/encode.hpp>
#include <loquat/generate/generate.hpp>
#include <loquat/generate/sampler.hpp>
#include <loquat/generate/stop.hpp>
#include <loquat/generate/truncate.hpp>
#include <loquat/index/codecs/binary.hpp>
#include <loquat/index/codecs/pq.hpp>
#include <loquat/index/codecs/scalar.hpp>
#include <loquat/index/file.hpp>
#include <loquat/index/flat.hpp>
#include <loquat/index/hnsw.hpp>
#include <loquat/index/pipe.hpp>
#include <loquat/model/adaptable.hpp>
#include <loquat/model/hooks.hpp>
#include <loquat/model/load.hpp>
#include <loquat/model/load_encoder.hpp>
#include <loquat/model/lora.hpp>
#include <loquat/model/lora_merge.hpp>
#include <loquat/model/recorder.hpp>
#include <loquat/model/streaming.hpp>
#include <loquat/plugin/host.hpp>
#include <loquat/quant/formats.hpp>
#include <loquat/quant/importance.hpp>
#include <loquat/quant/mixes.hpp>
#include <loquat/quant/quantize.hpp>
#include <loquat/tokenizer/encodings.hpp>
#include <loquat/tokenizer/load.hpp>
#include <loquat/tokenizer/text.hpp>
