"""What trains the encoders: masked prediction, contrastive prediction, speaker adaptation."""
