"""The exchange of sequence shards over FlashInfer's all-to-all; `plugin` declares it."""
