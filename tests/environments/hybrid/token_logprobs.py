

# Test only, appended to vllm/v1/worker/gpu/sample/logprob.py of 0.20 and 0.21: PyTorch in place of a Triton kernel.
def compute_token_logprobs(logits, token_ids):
    return logits.float().log_softmax(-1).gather(-1, token_ids.to(torch.int64))
